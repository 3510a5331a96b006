/** Settlements a second, through the store alone and through whole hubs, and how often something was synced for them. */
import { join } from 'node:path'
import type { KeyPair } from '../src/hub/ports.js'
import type { Hub } from '../src/hub/app.js'
import type { Backend, Backends } from './backends.js'
import type { BenchSession, Community, CommunitySize } from './community.js'
import { quantile, type Spread, spread } from './figures.js'
import type { SettleRun } from './hub-clients.child.js'
import { type Child, type ChildStart, startChild } from './rpc.js'
import type { StoreRun } from './store.child.js'
import { findStrace, postgresSyncs, traced, tracedSyncs } from './syncs.js'

export interface SettlementExtent {
  readonly rounds: number
  readonly windowMs: number
}

export interface StoreResult {
  readonly backend: Backend['name']
  readonly processes: number
  readonly batch: number
  readonly perSecond: Spread
  /** Of each transaction; undefined where nothing is here to count them with. */
  readonly syncs: number | undefined
}

export interface HubResult {
  readonly backend: Backend['name']
  readonly processes: number
  readonly perSecond: Spread
  /** From the receipt to its acknowledgement, in milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly receiptsPerTransaction: number
  readonly syncsPerTransaction: number | undefined
}

const batches = [1, 10, 100, 500]

/** As many sessions as one transaction takes at most, so that no two receipts of a batch are of one session. */
const storeSize: CommunitySize = { accounts: 100, sessions: 1_000 }

const hubSize: CommunitySize = { accounts: 100, sessions: 500 }

/** Above what a hub settles in a second: so many are signed ahead for each of a window's. */
const mostPerSecond = 6_000

async function together<Result>(
  children: readonly Child[],
  method: string,
  params: unknown,
): Promise<readonly Result[]> {
  return Promise.all(children.map(child => child.call<Result>(method, params)))
}

async function populated(database: string, size: CommunitySize): Promise<Community> {
  const child = startChild('store.child.js', {})
  try {
    await child.call('open', database)
    return await child.call<Community>('populate', size)
  } finally {
    await child.call('close')
    await child.stop()
  }
}

/** What was synced during `work`, by strace on a file of SQLite, by the server's own count on PostgreSQL. */
async function syncsDuring<Result>(
  backend: Backend,
  database: string,
  traceFile: string,
  work: () => Promise<Result>,
): Promise<readonly [Result, number | undefined]> {
  const count = async (): Promise<number | undefined> => {
    if (backend.name === 'PostgreSQL') return postgresSyncs(database)
    return findStrace() === undefined ? undefined : tracedSyncs(traceFile)
  }
  const before = await count()
  const result = await work()
  const after = await count()
  return [result, before === undefined || after === undefined ? undefined : after - before]
}

/** How a child is started whose syncs are counted. */
function startCounted(backend: Backend, traceFile: string): ChildStart {
  const strace = findStrace()
  return backend.name === 'PostgreSQL' || strace === undefined ? {} : traced(strace, traceFile)
}

async function openStores(database: string, processes: number, start: ChildStart): Promise<readonly Child[]> {
  const children = Array.from({ length: processes }, () => startChild('store.child.js', {}, start))
  await together(children, 'open', database)
  const community = await children[0]!.call<Community>('populate', storeSize)
  await Promise.all(children.map((child, part) => child.call('join', { community, part, of: processes })))
  return children
}

/** The batches take turns, so that what the machine does meanwhile meets all of them. */
export async function measureStore(
  backends: Backends,
  backend: Backend,
  processes: number,
  extent: SettlementExtent,
): Promise<readonly StoreResult[]> {
  const { rounds, windowMs } = extent
  const traceFile = join(backends.folder, 'store.trace')
  const rates = new Map<number, number[]>(batches.map(batch => [batch, []]))
  const stores = await openStores(await backend.create(), processes, {})
  for (let round = 0; round < rounds; round++) {
    for (const batch of batches) {
      const runs = await together<StoreRun>(stores, 'settle', { batch, windowMs })
      rates.get(batch)!.push(runs.reduce((sum, run) => sum + (run.settlements / run.milliseconds) * 1000, 0))
    }
  }
  await together(stores, 'close', undefined)
  await Promise.all(stores.map(store => store.stop()))

  const database = await backend.create()
  const [counted] = await openStores(database, 1, startCounted(backend, traceFile))
  const results: StoreResult[] = []
  for (const batch of batches) {
    const [run, syncs] = await syncsDuring(backend, database, traceFile, () =>
      counted!.call<StoreRun>('settle', { batch, windowMs: windowMs / 2 }),
    )
    const perTransaction = syncs === undefined ? undefined : syncs / run.transactions
    results.push({
      ...{ backend: backend.name, processes, batch },
      perSecond: spread(rates.get(batch)!),
      syncs: perTransaction,
    })
  }
  await counted!.call('close')
  await counted!.stop()
  return results
}

interface HubScene {
  readonly hubs: readonly Hub[]
  readonly database: string
  readonly run: (windowMs: number) => Promise<readonly SettleRun[]>
  readonly close: () => Promise<void>
}

/**
 * Two processes of clients. With two hubs the consumers of a session are at one and its seeder at the other, so that every
 * settlement crosses the bus.
 */
async function openHubs(backend: Backend, processes: number, start: ChildStart): Promise<HubScene> {
  const database = await backend.create()
  const { accounts, sessions, hubKey } = await populated(database, hubSize)
  const redis = processes > 1 ? backend.redis : undefined
  const children = Array.from({ length: processes }, () => startChild('hub.child.js', {}, start))
  const hubs = await together<Hub>(children, 'start', { database, redis })
  const clients = [0, 1].map(() => startChild('hub-clients.child.js', {}))
  const shares = clients.map((_, part) => sessions.filter(({ consumer }) => consumer % 2 === part))
  const half = accounts.length / 2
  const at = async (client: Child, hub: Hub, some: readonly KeyPair[]): Promise<void> => {
    await client.call('signIn', { url: hub.url, accounts: some })
  }
  for (const [part, client] of clients.entries()) {
    const mine = accounts.filter((_, index) => index % 2 === part)
    await at(client, hubs[part % processes]!, mine.slice(0, half / 2))
    await at(client, hubs[(part + 1) % processes]!, mine.slice(half / 2))
  }
  return {
    hubs,
    database,
    run: async windowMs => {
      const perSession = Math.ceil((windowMs * mostPerSecond) / 1000 / sessions.length)
      const with_ = (some: readonly BenchSession[]): object => ({
        sessions: some,
        hubKey,
        accounts,
        perSession,
        windowMs,
      })
      await Promise.all(clients.map((client, part) => client.call('sign', with_(shares[part]!))))
      return Promise.all(clients.map((client, part) => client.call<SettleRun>('settle', with_(shares[part]!))))
    },
    close: async () => {
      await Promise.all([...clients, ...children].map(child => child.stop()))
    },
  }
}

function rateOf(runs: readonly SettleRun[]): number {
  const settled = runs.reduce((sum, { waits }) => sum + waits.length, 0)
  return (settled / Math.max(...runs.map(({ milliseconds }) => milliseconds))) * 1000
}

/** Transactions and settlements so far, by the hubs' own metrics. */
async function countsOf(
  hubs: readonly Hub[],
): Promise<{ readonly transactions: number; readonly settlements: number }> {
  const texts = await Promise.all(hubs.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()))
  const sum = (name: string): number =>
    texts.reduce((total, text) => total + Number(new RegExp(`^lighthouse_hub_${name} (\\S+)$`, 'm').exec(text)?.[1]), 0)
  return { transactions: sum('settlement_batch_receipts_count'), settlements: sum('settlements_total') }
}

export async function measureHubs(
  backends: Backends,
  backend: Backend,
  processes: number,
  { rounds, windowMs }: SettlementExtent,
): Promise<HubResult> {
  const scene = await openHubs(backend, processes, {})
  const rates: number[] = []
  const waits: number[] = []
  await scene.run(windowMs / 3)
  for (let round = 0; round < rounds; round++) {
    const runs = await scene.run(windowMs)
    rates.push(rateOf(runs))
    waits.push(...runs.flatMap(run => run.waits))
  }
  await scene.close()

  const traceFile = join(backends.folder, 'hub.trace')
  const counted = await openHubs(backend, processes, startCounted(backend, traceFile))
  const before = await countsOf(counted.hubs)
  const [, syncs] = await syncsDuring(backend, counted.database, traceFile, () => counted.run(windowMs / 2))
  const after = await countsOf(counted.hubs)
  await counted.close()
  const transactions = after.transactions - before.transactions
  return {
    ...{ backend: backend.name, processes, perSecond: spread(rates) },
    p50: quantile(waits, 0.5),
    p99: quantile(waits, 0.99),
    receiptsPerTransaction: (after.settlements - before.settlements) / transactions,
    syncsPerTransaction: syncs === undefined ? undefined : syncs / transactions,
  }
}

/** How often the disk syncs by itself, a second. */
export async function measureDisk({ folder }: Backends, windowMs: number): Promise<number> {
  const child = startChild('store.child.js', {})
  const perSecond = await child.call<number>('diskSyncs', { path: join(folder, 'disk'), windowMs })
  await child.stop()
  return perSecond
}
