import { formatCoins } from '../coins/amount.js'
import type { PeerStats } from './stats.js'

/** What a process carries in one line of `name=value` pairs, for a terminal or a log. */
export function statsLine(stats: PeerStats): string {
  const sum = (pick: (connection: PeerStats['connections'][number]) => number): number =>
    stats.connections.reduce((total, connection) => total + pick(connection), 0)
  const pairs = {
    nickname: stats.nickname,
    hub: stats.hub.type,
    coins: stats.coins === undefined ? 'unknown' : formatCoins(stats.coins),
    udp: stats.udp,
    connections: stats.connections.length,
    attempts: stats.attempts,
    streams: stats.streams,
    subscriptions: stats.subscriptions,
    resources: stats.activeResources,
    receivedBytes: sum(({ receivedBytes }) => receivedBytes),
    sentBytes: sum(({ sentBytes }) => sentBytes),
    receiveRate: Math.round(sum(({ receiveRate }) => receiveRate)),
    sendRate: Math.round(sum(({ sendRate }) => sendRate)),
    bufferedBytes: stats.bufferedBytes,
    rss: stats.memory.rss,
    uptimeMs: Math.round(stats.uptimeMs),
  }
  return Object.entries(pairs)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')
}
