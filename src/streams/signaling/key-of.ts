import { map, type Observable } from 'rxjs'
import type { CryptoPort, HubClient, TrustStore } from '../../ports.js'
import { LighthouseError } from '../../protocol/errors.js'
import { fingerprint } from '../../protocol/peer/fingerprint.js'
import type { Identity } from '../../protocol/peer/metadata.js'

/** Whom to ask for a key, and who remembers it. */
export interface KeyOptions {
  readonly identity: Pick<Identity, 'pubKey'>
  readonly trust: TrustStore
  readonly crypto: Pick<CryptoPort, 'sha256'>
  readonly hub: Pick<HubClient, 'resolve$'>
  readonly hubConnection: { readonly hubKey: string }
}

/**
 * The key behind a nickname: resolved by the hub, checked against the one remembered. Emits it once and completes. Errors with
 * `unknown-nickname`, `own-nickname`, `key-changed`, or as the hub's answer fails.
 */
export function keyOf$(
  { identity, trust, crypto, hub, hubConnection }: KeyOptions,
  nickname: string,
): Observable<string> {
  return hub.resolve$(nickname).pipe(
    map(pubKey => {
      if (pubKey === undefined)
        throw new LighthouseError('unknown-nickname', `nobody has the nickname "${nickname}"`, { nickname })
      if (pubKey === identity.pubKey) throw new LighthouseError('own-nickname', `"${nickname}" is you`, { nickname })
      const known = trust.check('peer', `${hubConnection.hubKey}/${nickname}`, pubKey)
      if (known !== undefined) {
        const [before, now] = [known, pubKey].map(key => fingerprint(key, crypto.sha256))
        const message = `the key of "${nickname}" has changed: its fingerprint was ${before}, and is now ${now}`
        const next = `Ask ${nickname} over another channel for the fingerprint that "lighthouse-peer status" shows there. If it is the new one, run: lighthouse-peer trust ${nickname}`
        throw new LighthouseError('key-changed', message, { nickname, expected: known, actual: pubKey, next })
      }
      return pubKey
    }),
  )
}
