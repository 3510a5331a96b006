/** What a connection is made with that is to go through no relay. */
import { type IceServerShape } from './ice-servers.js'
import { udpServers } from './udp-reach.js'

const relayed = / typ relay\b/i

/** Whether a candidate is an address of a relay. */
export function isRelayed(candidate: string): boolean {
  return relayed.test(candidate)
}

/** A description without such candidates. Its lines end as the standard has it. */
export function withoutRelayed(sdp: string): string {
  return sdp
    .split('\r\n')
    .filter(line => !line.startsWith('a=candidate:') || !isRelayed(line))
    .join('\r\n')
}

/** The servers, asked for this side's own address only. TURN over UDP answers that as well. */
export function stunServers(servers: readonly IceServerShape[]): readonly { readonly urls: string }[] {
  const urls = udpServers(servers).map(({ host, port }) => `stun:${host.includes(':') ? `[${host}]` : host}:${port}`)
  return [...new Set(urls)].map(url => ({ urls: url }))
}
