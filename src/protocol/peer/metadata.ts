import { fromBase64, toBase64 } from '../base64.js'
import { LighthouseError } from '../errors.js'
import { nicknameFlaw } from './nickname.js'
import { isBase64Of, isPublicKey } from '../signaling/signal.js'
import { addressScope, type AddressScope, hostScope } from '../signaling/address-scope.js'

/** Who a peer is, and at which hub. Keys are base64; the private one is NaCl's 64 bytes, seed ‖ public key. */
export interface Identity {
  readonly pubKey: string
  readonly privKey: string
  readonly nickname: string
  /** `hub.example:3000`, or with a scheme. */
  readonly host: string
}

/** The error for a metadata.json that cannot be used. */
export function invalidMetadata(rule: string): LighthouseError {
  return new LighthouseError('invalid-metadata', `metadata.json: ${rule}. Restore the file, or register again.`)
}

/** Reads the text of metadata.json. Throws `invalid-metadata` with the field and the rule. */
export function parseMetadata(text: string): Identity {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new LighthouseError(
      'invalid-metadata',
      'metadata.json is not JSON. Restore the file, or register again.',
      {},
      { cause },
    )
  }
  if (typeof value !== 'object' || value === null) throw invalidMetadata('it must hold an object')
  const { pub_key: pubKey, priv_key: privKey, nickname, host } = value as Record<string, unknown>
  const identity = { pubKey, privKey, nickname, host }
  const flaw = identityFlaw(identity)
  if (flaw !== undefined) throw invalidMetadata(`"${fileNames[flaw.field]}" ${flaw.rule}`)
  return identity as Identity
}

const fileNames = { pubKey: 'pub_key', privKey: 'priv_key', nickname: 'nickname', host: 'host' } as const

/** What of an identity cannot be so, as far as the texts show it: whether the seed makes that key needs a library. */
export function identityFlaw(
  identity: Readonly<Record<keyof Identity, unknown>>,
): { readonly field: keyof Identity; readonly rule: string } | undefined {
  const { pubKey, privKey, nickname, host } = identity
  if (!isPublicKey(pubKey)) return { field: 'pubKey', rule: 'must be base64 of 32 bytes, a key of Ed25519' }
  if (!isBase64Of(privKey, 64)) return { field: 'privKey', rule: 'must be base64 of 64 bytes' }
  if (toBase64(fromBase64(privKey).subarray(32)) !== pubKey) return { field: 'privKey', rule: keysDiffer }
  const flaw = nicknameFlaw(typeof nickname === 'string' ? nickname : '')
  if (flaw !== undefined) return { field: 'nickname', rule: flaw }
  return typeof host === 'string' && host !== '' ? undefined : { field: 'host', rule: 'must name the hub' }
}

/** The message for a private key that does not match the public one. */
export const keysDiffer = 'belongs to another public key'

/** The text of metadata.json. */
export function formatMetadata({ pubKey, privKey, nickname, host }: Identity): string {
  return `${JSON.stringify({ pub_key: pubKey, priv_key: privKey, nickname, host }, null, 2)}\n`
}

/** Whether a URL's host is an address of this machine or of the network around it. Parsed: `10.evil.example` is a name. */
export function isLocalAddress(hostname: string): boolean {
  const scope = addressScope(hostname.replace(/^\[(.*)\]$/, '$1'))
  return scope === 'loopback' || scope === 'private' || scope === 'link-local'
}

/**
 * The hub's URL from metadata's `host` or a `--hub` argument. Without a scheme, a loopback or private address gets
 * http, anything else https; `http:` to anything else is refused, since a peer never speaks plain text to a hub across
 * a network. The name `localhost` counts as loopback. Throws `invalid-option`.
 */
export function hubUrl(host: string): URL {
  const refuse = (rule: string): never => {
    throw new LighthouseError('invalid-option', `hub "${host}": ${rule}`, { field: 'hub' })
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(host)?.[1]?.toLowerCase()
  if (scheme !== undefined && scheme !== 'http' && scheme !== 'https')
    return refuse('must start with http:// or https://')
  let url: URL
  try {
    url = new URL(scheme === undefined ? `https://${host}` : host)
  } catch {
    return refuse('is not an address; use hub.example:3000 or https://hub.example')
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '' || url.pathname !== '/') {
    return refuse('must be a host and a port, nothing more')
  }
  const local = url.hostname === 'localhost' || isLocalAddress(url.hostname)
  if (scheme === undefined && local) return new URL(`http://${host}`)
  if (scheme === 'http' && !local)
    return refuse('plain http is only for this machine or a private address; use https://')
  return url
}

/** How far the hub's address reaches, as metadata's `host` has it: what is near may be named by a hub that is near. */
export function hubScope(host: string): AddressScope {
  return hostScope(hubUrl(host).hostname) ?? 'public'
}
