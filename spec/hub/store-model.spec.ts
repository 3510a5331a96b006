import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { firstValueFrom, type Observable, ReplaySubject } from 'rxjs'
import { blockHash } from '../../src/hub/adapters/store/block-hash.js'
import { postgresStore$ } from '../../src/hub/adapters/store/postgres-store.js'
import { sqliteStore$ } from '../../src/hub/adapters/store/sqlite-store.js'
import type { HubStore } from '../../src/hub/ports/store.js'
import { type ChainState, emptyChain, verifyNext } from '../../src/hub/protocol/settlement/ledger.js'
import type { SignedReceipt } from '../../src/protocol/coins/receipt.js'
import { type PostgresCluster, POSTGRES_REASON, postgresAvailable, startPostgres } from '../support/postgres.node.js'
import { describeIf } from '../support/requires.js'
import { printedSeed } from '../support/seed.js'
import { sized } from '../support/sized.js'
import { keyOf, type Operation, operationMaker, perform, ReferenceStore, type World } from './store-model.js'

const quiet = { warn: () => undefined }

/** Operations that are under way at once, which a store has to take in the order in which it was asked. */
const atOnce = 16

const manyOperations = sized(25_000, 100_000)

/** Opens a store for the length of `work`. */
async function withStore(store$: Observable<HubStore>, work: (store: HubStore) => Promise<void>): Promise<void> {
  const opened$ = new ReplaySubject<HubStore>(1)
  const subscription = store$.subscribe(opened$)
  try {
    await work(await firstValueFrom(opened$))
  } finally {
    subscription.unsubscribe()
  }
}

/** xorshift: the same numbers for the same seed everywhere. */
function numbers(seed: number): (below: number) => number {
  let state = seed || 1
  return below => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % Math.max(1, Math.floor(below))
  }
}

interface Audit {
  readonly blocks: number
  readonly granted: number
  readonly wallets: Map<string, number>
  /** By session: what was moved for it in all, and the newest receipt. */
  readonly paid: Map<string, { readonly moved: number; readonly signed: number }>
}

/** What the ledger says alone: every block follows from the one before, no wallet is ever below zero, each byte is paid once. */
async function auditLedger(store: HubStore): Promise<Audit> {
  const wallets = new Map<string, number>()
  const paid = new Map<string, { moved: number; signed: number }>()
  let [chain, granted]: [ChainState, number] = [emptyChain, 0]
  for (;;) {
    const lines = await store.blocksAfter(chain.seq, 5_000)
    for (const line of lines) {
      const step = verifyNext(chain, line, blockHash)
      if ('problem' in step) throw new Error(step.problem)
      chain = step.chain
      if (line.from === null) granted += line.bytes
      else {
        const receipt = line.receipt as unknown as SignedReceipt
        if (receipt.consumer !== line.from || receipt.seeder !== line.to) throw new Error(`block ${line.seq}: parties`)
        const moved = (paid.get(receipt.session)?.moved ?? 0) + line.bytes
        paid.set(receipt.session, { moved, signed: receipt.bytes })
        wallets.set(line.from, (wallets.get(line.from) ?? 0) - line.bytes)
        if (wallets.get(line.from)! < 0) throw new Error(`block ${line.seq}: ${line.from} is below zero`)
      }
      wallets.set(line.to, (wallets.get(line.to) ?? 0) + line.bytes)
    }
    if (lines.length === 0) break
  }
  expect(await store.head()).toEqual(chain.seq === 0 ? undefined : chain)
  return { blocks: chain.seq, granted, wallets, paid }
}

async function expectSame(store: HubStore, model: ReferenceStore, world: World): Promise<void> {
  for (let person = 0; person < world.people; person += 1) {
    expect(await store.balance(keyOf(person))).toBe(model.wallets.get(keyOf(person)))
  }
  for (const [nickname, key] of model.names) expect(await store.resolve(nickname)).toBe(key)
  expect(await store.openInvites()).toBe([...model.invites.values()].filter(state => state === 'open').length)
  const { blocks, wallets, granted } = await auditLedger(store)
  expect(blocks).toBe(model.blocks)
  expect(granted).toBe(model.granted)
  expect(wallets).toEqual(new Map(model.wallets))
  expect([...wallets.values()].reduce((sum, bytes) => sum + bytes, 0)).toBe(granted)
}

/** Asks the store for many things at once and compares each answer with the reference's, in the order of the questions. */
async function compare(store: HubStore, model: ReferenceStore, operations: readonly Operation[]): Promise<void> {
  const given = await Promise.all(operations.map(operation => perform(store, operation)))
  operations.forEach((operation, index) => {
    const wanted = model.answer(operation)
    if (JSON.stringify(given[index]) !== JSON.stringify(wanted)) {
      expect({ operation, answer: given[index] }).toEqual({ operation, answer: wanted })
    }
  })
}

/**
 * Performs so many operations, and goes on to four times as many while few of them have settled anything: how many do varies with
 * the seed. Returns how many blocks they made.
 */
async function history(store: HubStore, world: World, seed: number, count: number, together: number): Promise<number> {
  const model = new ReferenceStore()
  const next = operationMaker(world, numbers(seed))
  for (let done = 0; done < count || (model.blocks <= count / 12 && done < 4 * count); done += together) {
    await compare(
      store,
      model,
      Array.from({ length: together }, () => next()),
    )
  }
  await expectSame(store, model, world)
  return model.blocks
}

const world: World = { people: 40, sessions: 60, invites: 12, maxGrantBytes: 4_000 }
const sqlite$ = (): Observable<HubStore> => sqliteStore$(':memory:', blockHash, quiet)

/** A short history in a world so small that everything meets, shrunk by fast-check when it fails. */
const tiny: World = { people: 4, sessions: 5, invites: 2, maxGrantBytes: 12 }
const draws = fc.array(fc.nat(0xffff), { minLength: 20, maxLength: 400 })

function tinyHistory(values: readonly number[]): readonly Operation[] {
  let used = 0
  const next = operationMaker(tiny, below => (values[used++] ?? 0) % Math.max(1, Math.floor(below)))
  const operations: Operation[] = []
  while (used < values.length) operations.push(next())
  return operations
}

async function agrees(store: HubStore, values: readonly number[]): Promise<void> {
  const model = new ReferenceStore()
  await compare(store, model, tinyHistory(values))
  await expectSame(store, model, tiny)
}

describe('a store beside its reference, SQLite', () => {
  it(`gives the same answers and balances over ${manyOperations} operations`, async () => {
    const seed = printedSeed('store model')
    await withStore(sqlite$(), async store => {
      expect(await history(store, world, seed, manyOperations, atOnce)).toBeGreaterThan(manyOperations / 12)
    })
  })

  it('does so in every short history', async () => {
    const property = fc.asyncProperty(draws, values => withStore(sqlite$(), store => agrees(store, values)))
    await fc.assert(property, { numRuns: 200 })
  })
})

describeIf(postgresAvailable(), POSTGRES_REASON)('a store beside its reference, PostgreSQL', () => {
  let cluster: PostgresCluster
  // A crash of this cluster is nobody's loss.
  beforeAll(async () => (cluster = await startPostgres({ fsync: 'off' })))
  afterAll(() => cluster.remove())

  it('gives the same answers and balances over thousands of operations', async () => {
    const seed = printedSeed('store model')
    const url = await cluster.createDatabase()
    const count = sized(2_000, 100_000)
    // One at a time: what is asked at once comes in any order, over several connections.
    await withStore(postgresStore$(url, blockHash, quiet), async store => {
      expect(await history(store, world, seed, count, 1)).toBeGreaterThan(count / 12)
    })
  }, 600_000)

  it('conserves coins whatever order concurrent operations of two processes take', async () => {
    const seed = printedSeed('store model')
    const url = await cluster.createDatabase()
    const next = operationMaker({ people: 10, sessions: 12, invites: 6, maxGrantBytes: 4_000 }, numbers(seed))
    await withStore(postgresStore$(url, blockHash, quiet), first =>
      withStore(postgresStore$(url, blockHash, quiet), async second => {
        for (let done = 0; done < 2_000; done += 2 * atOnce) {
          const operations = Array.from({ length: atOnce }, () => next())
          await Promise.all([first, second].flatMap(store => operations.map(operation => perform(store, operation))))
        }
        const { wallets, granted, paid } = await auditLedger(first)
        expect(paid.size).toBeGreaterThan(0)
        for (const { moved, signed } of paid.values()) expect(moved).toBe(signed)
        expect([...wallets.values()].reduce((sum, bytes) => sum + bytes, 0)).toBe(granted)
        for (const [key, bytes] of wallets) expect(await second.balance(key)).toBe(bytes)
      }),
    )
  })

  it('does so in short histories', async () => {
    const property = fc.asyncProperty(draws, async values => {
      const url = await cluster.createDatabase()
      await withStore(postgresStore$(url, blockHash, quiet), async store => {
        const model = new ReferenceStore()
        for (const operation of tinyHistory(values)) await compare(store, model, [operation])
        await expectSame(store, model, tiny)
      })
    })
    await fc.assert(property, { numRuns: 10 })
  })
})
