import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { CryptoPort } from '../../ports.js'
import { fingerprint } from '../../protocol/peer/fingerprint.js'
import { setBounded } from '../../protocol/bounded-map.js'
import { isBase64Of, isPublicKey, maxSignalBytes } from '../../protocol/signaling/signal.js'

function privateKeyOf(privKey: string): KeyObject {
  const bytes = Buffer.from(privKey, 'base64')
  const jwk = {
    kty: 'OKP',
    crv: 'Ed25519',
    d: bytes.subarray(0, 32).toString('base64url'),
    x: bytes.subarray(32).toString('base64url'),
  }
  return createPrivateKey({ key: jwk, format: 'jwk' })
}

function publicKeyOf(pubKey: string): KeyObject {
  const x = Buffer.from(pubKey, 'base64').toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
}

/** Keys parsed last. Parsing one takes longer than checking a signature with it, and the same few come again and again. */
const parsedKeys = 1_024

/** `parse` with its newest results remembered, at most `parsedKeys`; the one not asked for longest is forgotten. */
function remembered(parse: (text: string) => KeyObject): (text: string) => KeyObject {
  const known = new Map<string, KeyObject>()
  return text => {
    const key = known.get(text) ?? parse(text)
    setBounded(known, text, key, parsedKeys)
    return key
  }
}

const privateKey = remembered(privateKeyOf)
const publicKey = remembered(publicKeyOf)

/**
 * Signatures found good last. One takes a tenth of a millisecond to check, and many come twice or more often within a
 * moment: a settlement as acknowledgement and as event, a receipt on the channel and in the ledger.
 */
const goodSignatures = 256

/** Texts longer than this are checked each time: what is remembered stays within half a megabyte. */
const rememberedTextLength = 1_024

const good = new Map<string, true>()

function checked(pubKey: string, text: string, signature: string): boolean {
  return verify(null, Buffer.from(text), publicKey(pubKey), Buffer.from(signature, 'base64'))
}

/** `checked`, which is asked once for what is good. What is bad is not remembered: anybody can make more of it than fits. */
function checkedOnce(pubKey: string, text: string, signature: string): boolean {
  if (text.length > rememberedTextLength) return checked(pubKey, text, signature)
  // Both have one length, so no two triples are the same key.
  const key = pubKey + signature + text
  const isGood = good.has(key) || checked(pubKey, text, signature)
  if (isGood) setBounded(good, key, true, goodSignatures)
  return isGood
}

/**
 * Ed25519 and digests from node:crypto, packing from node:zlib. Stateless but for the keys that were parsed and the
 * signatures that were found good last.
 */
export const nodeCrypto: CryptoPort = {
  sign(privKey, text) {
    return sign(null, Buffer.from(text), privateKey(privKey)).toString('base64')
  },
  verify(pubKey, text, signature) {
    if (!isPublicKey(pubKey) || !isBase64Of(signature, 64)) return false
    try {
      return checkedOnce(pubKey, text, signature)
    } catch {
      // 32 bytes that are no point of the curve: no key, so no signature of it.
      return false
    }
  },
  sha256(text) {
    return createHash('sha256').update(text).digest('base64')
  },
  randomId(bytes) {
    return randomBytes(bytes).toString('base64url')
  },
  generateKeyPair() {
    // Encoded by what makes them. To export a key object that was just generated holds its lock, on Node 20, while memory is
    // allocated; when garbage is collected there, the finished job is destroyed, which waits for the same lock, for ever.
    const { privateKey: pkcs8, publicKey: spki } = generateKeyPairSync('ed25519', {
      privateKeyEncoding: { type: 'pkcs8', format: 'der' },
      publicKeyEncoding: { type: 'spki', format: 'der' },
    })
    // Both end with the 32 bytes in question.
    const [seed, pub] = [pkcs8.subarray(-32), spki.subarray(-32)]
    return { pubKey: pub.toString('base64'), privKey: Buffer.concat([seed, pub]).toString('base64') }
  },
  packSdp(sdp) {
    return gzipSync(sdp).toString('base64')
  },
  unpackSdp(packed) {
    try {
      return gunzipSync(Buffer.from(packed, 'base64'), { maxOutputLength: maxSignalBytes }).toString('utf8')
    } catch {
      // Not gzip, or larger than any description: undefined for both.
      return undefined
    }
  },
}

/** The fingerprint of a public key. */
export function fingerprintOf(pubKey: string): string {
  return fingerprint(pubKey, nodeCrypto.sha256)
}

/** Whether both keys belong together: a seed that was cut or mixed up shows only when something is signed with it. */
export function isKeyPair({ pubKey, privKey }: { readonly pubKey: string; readonly privKey: string }): boolean {
  const text = 'lighthouse/check/1\n'
  try {
    return nodeCrypto.verify(pubKey, text, nodeCrypto.sign(privKey, text))
  } catch {
    // The library refuses to take it for a key.
    return false
  }
}
