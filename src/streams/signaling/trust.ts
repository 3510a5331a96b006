import type { CryptoPort, TrustStore } from '../../ports.js'
import { LighthouseError } from '../../protocol/errors.js'
import { fingerprint } from '../../protocol/peer/fingerprint.js'

/** Keys remembered for as long as the object lives. */
export function createMemoryTrust(): TrustStore {
  const known = { hub: new Map<string, string>(), peer: new Map<string, string>() }
  return {
    known: (kind, name) => known[kind].get(name),
    remember: (kind, name, key) => void known[kind].set(name, key),
    forget: (kind, name) => void known[kind].delete(name),
  }
}

/** The name under which the key of a peer is remembered: nicknames are a hub's. */
export function trustedName(hubKey: string, nickname: string): string {
  return `${hubKey}/${nickname}`
}

/** Remembers a key on first use. Returns the one that is remembered when it is another. */
export function checkKey(trust: TrustStore, kind: 'hub' | 'peer', name: string, key: string): string | undefined {
  const known = trust.known(kind, name)
  if (known === undefined) trust.remember(kind, name, key)
  return known === key ? undefined : known
}

type Digest = Pick<CryptoPort, 'sha256'>

function changed(what: string, known: string, current: string, { sha256 }: Digest): string {
  const [before, now] = [known, current].map(key => fingerprint(key, sha256))
  return `the key of ${what} has changed: its fingerprint was ${before}, and is now ${now}`
}

/** The error for a peer that has another key than the one remembered. */
export function changedPeerKey(nickname: string, expected: string, actual: string, crypto: Digest): LighthouseError {
  const next = `Ask ${nickname} over another channel for the fingerprint that "lighthouse-peer status" shows there. If it is the new one, run: lighthouse-peer trust ${nickname}`
  const message = changed(`"${nickname}"`, expected, actual, crypto)
  return new LighthouseError('key-changed', message, { nickname, expected, actual, next })
}

/** The same for a hub. */
export function changedHubKey(host: string, expected: string, actual: string, crypto: Digest): LighthouseError {
  return new LighthouseError('key-changed', changed(`the hub ${host}`, expected, actual, crypto), { expected, actual })
}
