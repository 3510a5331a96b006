import { describe, expect, it } from '@jest/globals'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import { isBase64Of, isPublicKey } from '../../../src/protocol/signaling/signal.js'

/** RFC 8032, 7.1, test 1: the seed, its public key, and its signature of no bytes. */
const seed = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'
const publicKey = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
const signatureOfNothing =
  'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b'
const base64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64')

/** When a process that has a few seconds of work is given up. */
const standsStillMs = 100_000

describe('nodeCrypto', () => {
  it('signs as RFC 8032 says, by a private key in NaCl’s form', () => {
    const signature = nodeCrypto.sign(base64(seed + publicKey), '')
    expect(signature).toBe(base64(signatureOfNothing))
    expect(nodeCrypto.verify(base64(publicKey), '', signature)).toBe(true)
  })

  it('makes pairs that fit, never the same', () => {
    const [a, b] = [nodeCrypto.generateKeyPair(), nodeCrypto.generateKeyPair()]
    expect([isPublicKey(a.pubKey), isBase64Of(a.privKey, 64)]).toEqual([true, true])
    expect(Buffer.from(a.privKey, 'base64').subarray(32).toString('base64')).toBe(a.pubKey)
    expect(a.pubKey).not.toBe(b.pubKey)
    const signature = nodeCrypto.sign(a.privKey, 'text ü')
    expect(nodeCrypto.verify(a.pubKey, 'text ü', signature)).toBe(true)
    expect(nodeCrypto.verify(b.pubKey, 'text ü', signature)).toBe(false)
    expect(nodeCrypto.verify(a.pubKey, 'text u', signature)).toBe(false)
  })

  // A young generation of a megabyte is collected every few dozen pairs; the size of every other run only makes that rarer.
  it('makes 50,000 pairs where garbage is collected all the time', async () => {
    const program = fileURLToPath(new URL('./key-pairs.process.js', import.meta.url))
    const argv = ['--max-semi-space-size=1', program, '50000']
    // Rejects when it is given up.
    const { stdout } = await promisify(execFile)(process.execPath, argv, { timeout: standsStillMs })
    expect(stdout).toBe('done\n')
  })

  it.each<[string, string, string]>([
    ['no key', '', base64(signatureOfNothing)],
    ['a key of 31 bytes', base64('00'.repeat(31)), base64(signatureOfNothing)],
    ['a key that is no point', base64('02' + 'ff'.repeat(31)), base64(signatureOfNothing)],
    ['a key as base64url', base64(publicKey).replace(/[+]/g, '-').replace(/[/]/g, '_').replace('=', ''), ''],
    ['no signature', base64(publicKey), ''],
    ['a signature of 63 bytes', base64(publicKey), base64(signatureOfNothing.slice(2))],
    ['one with something behind it', base64(publicKey), `${base64(signatureOfNothing)}AAAA`],
    ['one that is no text', base64(publicKey), 7 as unknown as string],
  ])('verifies nothing with %s, and does not throw', (_name, key, signature) => {
    expect(nodeCrypto.verify(key, '', signature)).toBe(false)
  })

  it('says the same of a signature that it found good before, and of none that is like it', () => {
    const [a, b] = [nodeCrypto.generateKeyPair(), nodeCrypto.generateKeyPair()]
    const texts = [
      '',
      'a',
      'x'.repeat(1024),
      'x'.repeat(1025),
      ...Array.from({ length: 300 }, (_, index) => `text ${index}`),
    ]
    const signed = texts.map(text => ({ text, signature: nodeCrypto.sign(a.privKey, text) }))
    for (let round = 0; round < 2; round++) {
      for (const [index, { text, signature }] of signed.entries()) {
        const other = signed[(index + 1) % signed.length]!
        expect(nodeCrypto.verify(a.pubKey, text, signature)).toBe(true)
        expect(nodeCrypto.verify(a.pubKey, text, signature)).toBe(true)
        expect(nodeCrypto.verify(b.pubKey, text, signature)).toBe(false)
        expect(nodeCrypto.verify(a.pubKey, `${text} `, signature)).toBe(false)
        expect(nodeCrypto.verify(a.pubKey, text, other.signature)).toBe(false)
      }
    }
  })

  it('digests with SHA-256', () => {
    expect(nodeCrypto.sha256('abc')).toBe(base64('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'))
  })

  it('makes names of so many fresh bytes, as base64url', () => {
    const ids = Array.from({ length: 100 }, () => nodeCrypto.randomId(16))
    expect(ids.every(id => /^[A-Za-z0-9_-]{22}$/.test(id))).toBe(true)
    expect(new Set(ids).size).toBe(100)
    expect(nodeCrypto.randomId(256).length).toBe(342)
  })

  it('unpacks what it packed', () => {
    for (const sdp of ['', 'v=0\r\n', 'ü'.repeat(1000), 'a'.repeat(65_536)]) {
      expect(nodeCrypto.unpackSdp(nodeCrypto.packSdp(sdp))).toBe(sdp)
    }
  })

  it('unpacks neither invalid data nor bombs', () => {
    const bomb = nodeCrypto.packSdp('a'.repeat(50_000_000))
    expect(bomb.length).toBeLessThan(70_000)
    for (const packed of ['', 'v=0', '!!!!', base64('1f8b08'), bomb, nodeCrypto.packSdp('a'.repeat(65_537))]) {
      expect(nodeCrypto.unpackSdp(packed)).toBeUndefined()
    }
  })
})
