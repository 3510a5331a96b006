import { formatBytes } from '../../protocol/byte-size.js'
import { formatCoins } from '../../protocol/coins/amount.js'
import type { ConnectionStats, PeerStats } from '../../protocol/peer/stats.js'
import { formatHub } from '../format.js'

function otherSide({ nickname, fingerprint }: ConnectionStats): string {
  return nickname ?? fingerprint
}

function describeRates(connection: ConnectionStats): string {
  const { receivedBytes, receiveRate, streams } = connection
  return `${otherSide(connection)}: ${formatBytes(receivedBytes)} received, ${formatBytes(receiveRate)}/s, ${streams} ${streams === 1 ? 'stream' : 'streams'}`
}

/** What changed between two snapshots of `/stats`, one sentence each. Without an earlier snapshot: nothing. */
export function describeChanges(before: PeerStats | undefined, now: PeerStats): readonly string[] {
  if (before === undefined) return []
  const known = new Map(before.connections.map(connection => [connection.session, connection]))
  const current = new Set(now.connections.map(connection => connection.session))
  const opened = now.connections.filter(({ session }) => !known.has(session))
  const closed = before.connections.filter(({ session }) => !current.has(session))
  const moving = now.connections.filter(({ session, receivedBytes }) => {
    const earlier = known.get(session)
    return earlier !== undefined && earlier.receivedBytes !== receivedBytes
  })
  return [
    ...(before.hub.type === now.hub.type ? [] : [`the hub is ${formatHub(now.hub)}`]),
    ...opened.map(connection => `connected to ${otherSide(connection)} (path: ${connection.path})`),
    ...moving.map(describeRates),
    ...closed.map(connection => `the connection to ${otherSide(connection)} is closed`),
    ...(before.coins === now.coins || now.coins === undefined ? [] : [`coins: ${formatCoins(now.coins)}`]),
  ]
}
