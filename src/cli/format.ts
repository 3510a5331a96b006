import { formatBytes } from '../protocol/byte-size.js'
import { formatCoins } from '../protocol/coins/amount.js'
import type { ConnectionStats, HubState, PeerStats } from '../protocol/peer/stats.js'

/** How the peer stands with its hub, in words. */
export function formatHub(state: HubState): string {
  switch (state.type) {
    case 'authenticated':
      return 'signed in'
    case 'connecting':
      return 'connecting'
    case 'waiting':
      return `unreachable (${state.message}); retrying in ${Math.ceil(state.retryInMs / 1000)} s`
    case 'stopped':
      return `signed out: ${state.message}`
  }
}

const udpWords = {
  unknown: 'unknown: no STUN or TURN server was asked',
  open: 'open',
  blocked: 'blocked by this network; only TURN over TCP or TLS gets through',
} as const

/** Columns as wide as their widest cell, two spaces apart. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<readonly number[]>(
    (widest, row) => row.map((cell, index) => Math.max(cell.length, widest[index] ?? 0)),
    [],
  )
  return rows
    .map(row =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function connectionRow(connection: ConnectionStats): readonly string[] {
  const { nickname, fingerprint, role, tunnelPort, streams, receivedBytes, sentBytes, receiveRate, sendRate, path } =
    connection
  return [
    nickname ?? fingerprint,
    role === 'consumer' ? 'from' : 'to',
    tunnelPort === undefined ? '' : `127.0.0.1:${tunnelPort}`,
    String(streams),
    `${formatBytes(receivedBytes)} in, ${formatBytes(sentBytes)} out`,
    `${formatBytes(receiveRate)}/s in, ${formatBytes(sendRate)}/s out`,
    path,
  ]
}

/** `/stats` for a person. */
export function formatStatus(stats: PeerStats, url: string): string {
  const head = [
    ['nickname', stats.nickname],
    ['fingerprint', stats.fingerprint],
    ['dashboard', url],
    ['hub', formatHub(stats.hub)],
    ['coins', stats.coins === undefined ? 'unknown' : formatCoins(stats.coins)],
    ['UDP', udpWords[stats.udp]],
    ['up for', `${Math.floor(stats.uptimeMs / 1000)} s`],
    ['memory', formatBytes(stats.memory.rss)],
  ]
  const rows = stats.connections.map(connectionRow)
  const connections =
    rows.length === 0
      ? 'no connections'
      : formatTable([['peer', '', 'tunnel', 'streams', 'bytes', 'rate', 'path'], ...rows])
  return `${formatTable(head)}\n\n${connections}`
}
