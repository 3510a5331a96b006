import { map, type Observable } from 'rxjs'
import type { CryptoPort, HubClient, TrustStore } from '../../ports.js'
import { LighthouseError } from '../../protocol/errors.js'
import type { Identity } from '../../protocol/peer/metadata.js'
import { changedPeerKey, checkKey, trustedName } from './trust.js'

/** Whom to ask for a key, and who remembers it. */
export interface KeyOptions {
  readonly identity: Pick<Identity, 'pubKey'>
  readonly trust: TrustStore
  readonly crypto: Pick<CryptoPort, 'sha256'>
  readonly hub: Pick<HubClient, 'resolve$'>
  readonly hubConnection: { readonly hubKey: string }
}

/** The key that the hub gives for a nickname. Emits it once and completes. Errors with `unknown-nickname`, or as the hub's answer fails. */
export function resolveKey$(hub: Pick<HubClient, 'resolve$'>, nickname: string): Observable<string> {
  return hub.resolve$(nickname).pipe(
    map(pubKey => {
      if (pubKey !== undefined) return pubKey
      throw new LighthouseError('unknown-nickname', `nobody has the nickname "${nickname}"`, { nickname })
    }),
  )
}

/**
 * The key behind a nickname: resolved by the hub, checked against the one remembered. Emits it once and completes. Errors with
 * `unknown-nickname`, `own-nickname`, `key-changed`, or as the hub's answer fails.
 */
export function keyOf$(
  { identity, trust, crypto, hub, hubConnection }: KeyOptions,
  nickname: string,
): Observable<string> {
  return resolveKey$(hub, nickname).pipe(
    map(pubKey => {
      if (pubKey === identity.pubKey) throw new LighthouseError('own-nickname', `"${nickname}" is you`, { nickname })
      const known = checkKey(trust, 'peer', trustedName(hubConnection.hubKey, nickname), pubKey)
      if (known !== undefined) throw changedPeerKey(nickname, known, pubKey, crypto)
      return pubKey
    }),
  )
}
