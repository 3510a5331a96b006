/** The hub's and the ledger's figures as tables. */
import type { ConnectionsResult, SignalLatency } from './connections.js'
import { digits, format, mark, mebibytes, table } from './figures.js'
import type { LedgerResult } from './ledger.js'
import type { HubResult, StoreResult } from './settlements.js'

const targets = { settlementsPerSecond: 2_000, connections: 5_000 }

/** Batches of this size and more are what is meant by grouped. */
const groupedBatch = 100

const notCounted = '–'

function processes(count: number): string {
  return count === 1 ? 'one process' : `${count} processes`
}

function goal({ perSecond }: { readonly perSecond: { readonly median: number } }, counts: boolean): readonly string[] {
  return counts ? ['≥ 2000', mark(perSecond.median >= targets.settlementsPerSecond)] : ['', '']
}

export function showStore(results: readonly StoreResult[], diskSyncs: number): string {
  return table([
    ['settlements through the store alone', 'a second, median (min–max)', 'syncs a transaction', 'to reach', ''],
    ...results.map(result => [
      `${result.backend}, ${processes(result.processes)}, batches of ${result.batch}`,
      format(result.perSecond),
      result.syncs === undefined ? notCounted : digits(result.syncs),
      ...goal(result, result.batch >= groupedBatch),
    ]),
    ['4 KiB appended and synced, the disk by itself', digits(diskSyncs), '', '', ''],
  ])
}

export function showHubs(results: readonly HubResult[]): string {
  return table([
    [
      'settlements through whole hubs',
      'a second, median (min–max)',
      'p50, p99, ms',
      'cores of the hub',
      'in a transaction',
      'syncs a transaction',
      'to reach',
      '',
    ],
    ...results.map(result => [
      `${result.backend}, ${processes(result.processes)}`,
      format(result.perSecond),
      `${digits(result.p50)}, ${digits(result.p99)}`,
      digits(result.cores),
      digits(result.receiptsPerTransaction),
      result.syncsPerTransaction === undefined ? notCounted : digits(result.syncsPerTransaction),
      ...goal(result, true),
    ]),
  ])
}

export function showConnections(result: ConnectionsResult): string {
  const { connections, signalsPerSecond, hubCore, hubStallMs } = result
  const kibibytes = (bytes: number): string => (bytes / 1024).toFixed(1)
  const rows = (name: string, { arrival, acknowledged }: SignalLatency): string[][] => [
    [`${name}, to the other peer: p50, p99, ms`, `${digits(arrival.p50)}, ${digits(arrival.p99)}`, '', ''],
    [
      `${name}, to the acknowledgement: p50, p99, ms`,
      `${digits(acknowledged.p50)}, ${digits(acknowledged.p99)}`,
      '',
      '',
    ],
  ]
  return table([
    ['one hub process', '', 'to reach', ''],
    ['connections that are signed in', String(connections), '≥ 5000', mark(connections >= targets.connections)],
    ['memory for each (resident set), KiB', kibibytes(result.residentBytesEach), '', ''],
    ['of it on the heap, KiB', kibibytes(result.heapBytesEach), '', ''],
    ['sign-ins a second', digits(result.signInsPerSecond), '', ''],
    ...rows(`${signalsPerSecond} candidates a second`, result.candidates),
    ...rows(`${signalsPerSecond} offers a second`, result.offers),
    ["the hub's share of a core with candidates", digits(hubCore), '', ''],
    ['its longest stall meanwhile, ms', digits(hubStallMs), '', ''],
  ])
}

export function showLedger(results: readonly LedgerResult[]): string {
  return table([
    ['lighthouse-peer ledger verify', 'blocks a second, median (min–max)', 'peak memory'],
    ...results.map(({ blocks, signatures, blocksPerSecond, peakBytes }) => [
      `${blocks.toLocaleString('en')} blocks, ${signatures ? 'with signatures' : '--fast'}`,
      format(blocksPerSecond),
      peakBytes === undefined ? notCounted : mebibytes(peakBytes),
    ]),
  ])
}
