/** Settlements a second, through the store alone and through whole hubs, and how often something was synced for them. */
import { join } from 'node:path'
import type { KeyPair } from '../src/hub/ports/store.js'
import type { Hub } from '../src/hub/app.js'
import type { Backend, Backends } from './backends.js'
import type { Community, CommunitySize } from './community.js'
import { quantile, type Spread, spread } from './figures.js'
import type { SettleRun } from './hub-clients.child.js'
import { type Child, type ChildStart, startChild } from './rpc.js'
import type { StoreRun } from './store.child.js'
import { syncCounter } from './syncs.js'

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
  /** Processor time of the hub's processes together, in cores. */
  readonly cores: number
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

interface Stores {
  readonly settle: (batch: number, windowMs: number) => Promise<readonly StoreRun[]>
  readonly close: () => Promise<void>
}

async function openStores(database: string, community: Community, of: number, start: ChildStart): Promise<Stores> {
  const children = Array.from({ length: of }, () => startChild('store.child.js', {}, start))
  await together(children, 'open', database)
  await Promise.all(children.map((child, part) => child.call('join', { community, part, of })))
  return {
    settle: (batch, windowMs) => together<StoreRun>(children, 'settle', { batch, windowMs }),
    close: async () => {
      await together(children, 'close', undefined)
      await Promise.all(children.map(child => child.stop()))
    },
  }
}

/** Syncs of each transaction, in a database of its own since counting costs time. */
async function storeSyncs(
  backends: Backends,
  backend: Backend,
  processes: number,
  batch: number,
  windowMs: number,
): Promise<number | undefined> {
  const database = await backend.create()
  const community = await populated(database, storeSize)
  const counter = syncCounter(backend, database, join(backends.folder, 'store.trace'))
  await counter.beforeOpen()
  const stores = await openStores(database, community, processes, counter.start)
  counter.beforeWork()
  const runs = await stores.settle(batch, windowMs)
  counter.afterWork()
  await stores.close()
  const syncs = await counter.afterClose()
  return syncs === undefined ? undefined : syncs / runs.reduce((sum, { transactions }) => sum + transactions, 0)
}

/** The batches take turns, so that what the machine does meanwhile meets all of them. */
export async function measureStore(
  backends: Backends,
  backend: Backend,
  processes: number,
  { rounds, windowMs }: SettlementExtent,
): Promise<readonly StoreResult[]> {
  const database = await backend.create()
  const community = await populated(database, storeSize)
  const stores = await openStores(database, community, processes, {})
  const rates = new Map<number, number[]>(batches.map(batch => [batch, []]))
  for (let round = 0; round < rounds; round++) {
    for (const batch of batches) {
      const runs = await stores.settle(batch, windowMs)
      rates.get(batch)!.push(runs.reduce((sum, run) => sum + (run.settlements / run.milliseconds) * 1000, 0))
    }
  }
  await stores.close()
  const results: StoreResult[] = []
  for (const batch of batches) {
    const syncs = await storeSyncs(backends, backend, processes, batch, windowMs / 3)
    results.push({ backend: backend.name, processes, batch, perSecond: spread(rates.get(batch)!), syncs })
  }
  return results
}

interface HubRun {
  readonly waits: readonly number[]
  readonly perSecond: number
  readonly cores: number
}

interface HubScene {
  readonly hubs: readonly Hub[]
  readonly run: (windowMs: number) => Promise<HubRun>
  readonly close: () => Promise<void>
}

/**
 * Two processes of clients. With two hubs the consumers of a session are at one and its seeder at the other, so that every
 * settlement crosses the bus.
 */
async function openHubs(
  backend: Backend,
  database: string,
  community: Community,
  processes: number,
  start: ChildStart,
): Promise<HubScene> {
  const { accounts, sessions, hubKey } = community
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
  const cpu = async (): Promise<number> =>
    (await together<number>(children, 'cpu', undefined)).reduce((sum, milliseconds) => sum + milliseconds, 0)
  const everywhere = <Result>(method: string, params: object): Promise<readonly Result[]> =>
    Promise.all(clients.map((client, part) => client.call<Result>(method, { ...params, sessions: shares[part] })))
  return {
    hubs,
    run: async windowMs => {
      const perSession = Math.ceil((windowMs * mostPerSecond) / 1000 / sessions.length)
      await everywhere('sign', { hubKey, accounts, perSession })
      const before = await cpu()
      const runs = await everywhere<SettleRun>('settle', { windowMs })
      const milliseconds = Math.max(...runs.map(run => run.milliseconds))
      const waits = runs.flatMap(run => run.waits)
      return { waits, perSecond: (waits.length / milliseconds) * 1000, cores: ((await cpu()) - before) / milliseconds }
    },
    close: async () => {
      await together(children, 'close', undefined)
      await Promise.all([...clients, ...children].map(child => child.stop()))
    },
  }
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

type HubTransactions = Pick<HubResult, 'receiptsPerTransaction' | 'syncsPerTransaction'>

async function hubTransactions(
  backends: Backends,
  backend: Backend,
  processes: number,
  windowMs: number,
): Promise<HubTransactions> {
  const database = await backend.create()
  const community = await populated(database, hubSize)
  const counter = syncCounter(backend, database, join(backends.folder, 'hub.trace'))
  await counter.beforeOpen()
  const scene = await openHubs(backend, database, community, processes, counter.start)
  counter.beforeWork()
  await scene.run(windowMs)
  counter.afterWork()
  const { transactions, settlements } = await countsOf(scene.hubs)
  await scene.close()
  const syncs = await counter.afterClose()
  return {
    receiptsPerTransaction: settlements / transactions,
    syncsPerTransaction: syncs === undefined ? undefined : syncs / transactions,
  }
}

export async function measureHubs(
  backends: Backends,
  backend: Backend,
  processes: number,
  { rounds, windowMs }: SettlementExtent,
): Promise<HubResult> {
  const database = await backend.create()
  const scene = await openHubs(backend, database, await populated(database, hubSize), processes, {})
  await scene.run(windowMs / 3)
  const runs: HubRun[] = []
  for (let round = 0; round < rounds; round++) runs.push(await scene.run(windowMs))
  await scene.close()
  const waits = runs.flatMap(run => run.waits)
  return {
    ...{ backend: backend.name, processes },
    perSecond: spread(runs.map(({ perSecond }) => perSecond)),
    p50: quantile(waits, 0.5),
    p99: quantile(waits, 0.99),
    cores: spread(runs.map(({ cores }) => cores)).median,
    ...(await hubTransactions(backends, backend, processes, windowMs)),
  }
}
