import { defer, map, mergeMap, type Observable } from 'rxjs'
import type { HubClient } from '../../ports.js'
import type { KnownKeys } from '../../ports/known-keys.js'
import type { ProbeEvent } from '../../protocol/doctor/probe.js'
import type { Identity } from '../../protocol/peer/metadata.js'
import { assertOther } from '../../protocol/peer/nickname.js'
import type { Balance } from '../../protocol/peer/stats.js'
import type { Tunnel } from '../../protocol/tunnels/tunnels.js'
import { payable$ } from '../coins/payable.js'
import type { Payments } from '../coins/payments.js'
import { type ProbeOptions, probePeer$ } from '../doctor/probe-peer.js'
import type { Connections } from '../signaling/connections.js'
import type { Tunnels } from '../tunnels/tunnels.js'
import { askBalance$, balanceOrLast$ } from './balance.js'
import type { Defects } from './defects.js'
import { createKnownKeys, type KnownKeysOptions } from './known-keys.js'
import { connectedKey, type PeerState } from './peer-state.js'

/** What others ask of the running peer. Each asks on subscription; errors are LighthouseErrors. */
export interface Requests {
  /** The tunnel to the peer of that nickname, once there is something to pay it with. */
  readonly connect$: (nickname: string) => Observable<Tunnel>
  /** Writes off what the peer of that nickname owes. Emits how many bytes that was. */
  readonly forgive$: (nickname: string) => Observable<number>
  /** Connects to the peer of that nickname anew, to see whether it can. */
  readonly probe$: (nickname: string) => Observable<ProbeEvent>
  /** What is remembered of other peers. */
  readonly keys: KnownKeys
  /** The wallet: the hub's answer, or the last one known while the hub is away. */
  readonly balance$: () => Observable<Balance>
}

export interface RequestsOptions extends Omit<ProbeOptions, 'offer$'>, KnownKeysOptions {
  readonly identity: Identity
  readonly hub: Pick<HubClient, 'balance$' | 'resolve$'>
  readonly payments: Pick<Payments, 'forgive' | 'lookUp$' | 'stop' | 'wallet'>
  readonly connections: Pick<Connections, 'keyOf$' | 'offer$'>
  readonly tunnels: Pick<Tunnels, 'connect$'>
  readonly state: () => PeerState
  readonly defects: Pick<Defects, 'reported'>
}

export function createRequests(options: RequestsOptions): Requests {
  const { identity, hub, payments, connections, tunnels, state, defects, scheduler } = options
  const wallet$ = payments.lookUp$(askBalance$(hub, identity.pubKey))
  const keys = createKnownKeys(options)
  const withOther$ = <T>(nickname: string, work$: () => Observable<T>): Observable<T> =>
    defer(() => {
      assertOther(nickname, identity.nickname)
      return work$()
    }).pipe(defects.reported())
  const withPayable$ = <T>(nickname: string, work$: () => Observable<T>): Observable<T> =>
    withOther$(nickname, () => payable$(payments, wallet$, connectedKey(state(), nickname)).pipe(mergeMap(work$)))
  return {
    connect$: nickname => withPayable$(nickname, () => tunnels.connect$(nickname)),
    probe$: nickname => withPayable$(nickname, () => probePeer$({ ...options, offer$: connections.offer$ }, nickname)),
    forgive$: nickname =>
      withOther$(nickname, () => connections.keyOf$(nickname).pipe(map(key => payments.forgive(key)))),
    keys: {
      lookUp$: nickname => keys.lookUp$(nickname).pipe(defects.reported()),
      trust$: (nickname, key) => keys.trust$(nickname, key).pipe(defects.reported()),
      forget$: nickname => keys.forget$(nickname).pipe(defects.reported()),
    },
    balance$: () => balanceOrLast$(wallet$, () => payments.wallet, scheduler).pipe(defects.reported()),
  }
}
