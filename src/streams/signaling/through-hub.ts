import type { RtcPort } from '../../ports.js'
import type { LedgerHead } from '../../protocol/signaling/signal.js'
import type { ConnectionOptions } from './connection.js'
import type { Reachability } from './reachability.js'
import { chosenRtc } from './rtc-choice.js'
import type { HubConnection } from './signaling.js'

export interface ThroughHubOptions extends Omit<ConnectionOptions, 'hubConnection' | 'head' | 'udp'> {
  /** For connections that only a relay over TCP or TLS can carry. Default: there is none. */
  readonly overTcp: RtcPort | undefined
  readonly reachability: Pick<Reachability, 'udp' | 'udp$'>
  /** The newest head of that hub's ledger that this peer knows. */
  readonly newestHead: (hubKey: string) => LedgerHead | undefined
}

/** What connections need, by the hub through which they are made. */
export function throughHub(options: ThroughHubOptions): (hubConnection: HubConnection) => ConnectionOptions {
  const { rtc: usual, overTcp, reachability, newestHead, ...common } = options
  const { udp, udp$ } = reachability
  const rtc = overTcp === undefined ? usual : chosenRtc({ usual, overTcp, udp$, scheduler: common.scheduler })
  return hubConnection => ({ ...common, rtc, hubConnection, udp, head: () => newestHead(hubConnection.hubKey) })
}
