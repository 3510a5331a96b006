import { defer, map, type Observable, of } from 'rxjs'
import type { CryptoPort, HubClient, TrustStore } from '../../ports.js'
import type { SiteStore } from '../../ports/sites.js'
import type { KeyOfPeer, KnownKeys } from '../../ports/known-keys.js'
import { LighthouseError } from '../../protocol/errors.js'
import type { Identity } from '../../protocol/peer/metadata.js'
import { assertOther } from '../../protocol/peer/nickname.js'
import { resolveKey$ } from '../signaling/key-of.js'
import { changedPeerKey, trustedName } from '../signaling/trust.js'

export interface KnownKeysOptions {
  readonly identity: Pick<Identity, 'nickname' | 'host'>
  readonly trust: TrustStore
  readonly sites: SiteStore
  readonly hub: Pick<HubClient, 'resolve$'>
  readonly crypto: Pick<CryptoPort, 'sha256'>
}

/** What a peer remembers of others at the hub that it knows by its own address for it. Works without a connection to that hub. */
export function createKnownKeys({ identity, trust, sites, hub, crypto }: KnownKeysOptions): KnownKeys {
  /** The name of a peer in the store; undefined while the hub's own key is not known: then no peer's is. */
  const nameOf = (nickname: string): string | undefined => {
    const hubKey = trust.known('hub', identity.host)
    return hubKey === undefined ? undefined : trustedName(hubKey, nickname)
  }
  const knownKey = (nickname: string): string | undefined => {
    const name = nameOf(nickname)
    return name === undefined ? undefined : trust.known('peer', name)
  }
  const ofOther$ = <T>(nickname: string, work$: () => Observable<T>): Observable<T> =>
    defer(() => {
      assertOther(nickname, identity.nickname)
      return work$()
    })
  const lookUp$ = (nickname: string): Observable<KeyOfPeer> =>
    ofOther$(nickname, () => resolveKey$(hub, nickname).pipe(map(current => ({ known: knownKey(nickname), current }))))
  return {
    lookUp$,
    trust$: (nickname, key) =>
      lookUp$(nickname).pipe(
        map(found => {
          if (found.current !== key) throw changedPeerKey(nickname, key, found.current, crypto)
          const name = nameOf(nickname)
          if (name === undefined) {
            const message = `the key of the hub ${identity.host} is not known yet. Sign in there once, with "lighthouse-peer up"`
            throw new LighthouseError('hub-unreachable', message)
          }
          if (found.known !== key) trust.remember('peer', name, key)
          return found
        }),
      ),
    forget$: nickname =>
      ofOther$(nickname, () => {
        const key = knownKey(nickname)
        const site = key === undefined ? undefined : sites.choice(key)
        if (key !== undefined) {
          // The site first: without its key nobody would find it again.
          if (site !== undefined) sites.forget(key)
          trust.forget('peer', nameOf(nickname)!)
        }
        return of({ key, site })
      }),
  }
}
