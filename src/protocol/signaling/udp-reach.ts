import { type IceServerShape, iceUrlsOf } from './ice-servers.js'
import type { IceUrl } from './ice-url.js'

/** Whether datagrams get out of this network and back. Unknown where nobody was there to be asked. */
export type UdpReach = 'unknown' | 'open' | 'blocked'

/** The servers that can be asked over UDP: STUN, and TURN, which answers the same question. */
export function udpServers(servers: readonly IceServerShape[]): readonly IceUrl[] {
  return iceUrlsOf(servers).filter(({ transport }) => transport === 'udp')
}

/** What follows from who answered. */
export function reachOf(answered: readonly boolean[]): UdpReach {
  if (answered.length === 0) return 'unknown'
  return answered.includes(true) ? 'open' : 'blocked'
}

/**
 * Whether a connection needs TURN over TCP or TLS: where UDP is blocked, or may only be relayed and nobody relays over UDP.
 * Where there is no such server either, nothing can help.
 */
export function needsTcpRelay(
  servers: readonly IceServerShape[],
  { relayOnly, udp }: { readonly relayOnly: boolean; readonly udp: UdpReach },
): boolean {
  const relays = iceUrlsOf(servers).filter(({ scheme }) => scheme === 'turn')
  if (relays.every(({ transport }) => transport === 'udp')) return false
  return udp === 'blocked' || (relayOnly && !relays.some(({ transport }) => transport === 'udp'))
}
