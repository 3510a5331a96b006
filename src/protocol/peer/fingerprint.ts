/**
 * What people compare of a public key: `7k2q-9fxm-30td-h8wz-pc5v-e1n6`.
 */
import { fromBase64 } from '../base64.js'

/** Crockford's base32 in lower case: without i, l, o and u, which are taken for others or make words. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/** 24 characters of 5 bits: 2^120 keys have to be tried for one with the same fingerprint. */
const fingerprintBytes = 15

/** A fingerprint, anywhere in a text. */
export const fingerprintPattern = /(?:[0-9a-hjkmnp-tv-z]{4}-){5}[0-9a-hjkmnp-tv-z]{4}/

/**
 * The fingerprint of a public key (base64): the first 120 bits of a SHA-256 over purpose and key, in groups of four. `sha256` is
 * the base64 digest of a text.
 */
export function fingerprint(pubKey: string, sha256: (text: string) => string): string {
  const digest = fromBase64(sha256(`lighthouse/fingerprint/1\n${pubKey}`)).subarray(0, fingerprintBytes)
  const bits = Array.from(digest, byte => byte.toString(2).padStart(8, '0')).join('')
  const text = bits.replace(/.{5}/g, five => alphabet[Number.parseInt(five, 2)]!)
  return text.replace(/.{4}(?=.)/g, '$&-')
}
