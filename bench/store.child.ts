/** Settles through the hub's store, with nothing around it. */
import { fdatasyncSync, openSync, closeSync, writeSync } from 'node:fs'
import { type BenchSession, type Community, type CommunitySize, openStore, populate } from './community.js'
import { answerCalls } from './rpc.js'

/** What one settlement moves. */
const stepBytes = 1_000

/** The store takes receipts whose signatures were checked: any of the right length will do. */
const anySignature = Buffer.alloc(64).toString('base64')

export interface StoreRun {
  readonly settlements: number
  readonly transactions: number
  readonly milliseconds: number
}

let opened: Awaited<ReturnType<typeof openStore>> | undefined
let community: Community | undefined
let mine: readonly BenchSession[] = []
const settledBytes = new Map<string, number>()
let next = 0

function nextBatch(size: number) {
  return Array.from({ length: size }, () => {
    const { session, consumer, seeder } = mine[next++ % mine.length]!
    const bytes = (settledBytes.get(session) ?? 0) + stepBytes
    settledBytes.set(session, bytes)
    const { hubKey, accounts } = community!
    return {
      ...{ hub_key: hubKey, session, seeder: accounts[seeder]!.pubKey, consumer: accounts[consumer]!.pubKey, bytes },
      signature: anySignature,
    }
  })
}

answerCalls({
  open: async (database: string): Promise<void> => {
    opened = await openStore(database)
  },
  populate: (size: CommunitySize): Promise<Community> => populate(opened!.store, size),
  /** Every `of`th session from `part` on is this process's. */
  join: ({ community: given, part, of }: { community: Community; part: number; of: number }): void => {
    community = given
    mine = given.sessions.filter((_, index) => index % of === part)
  },
  settle: async ({ batch, windowMs }: { batch: number; windowMs: number }): Promise<StoreRun> => {
    const start = performance.now()
    let transactions = 0
    while (performance.now() - start < windowMs) {
      const results = await opened!.store.settle(nextBatch(batch), Date.now())
      if (!results.every(result => result.type === 'settled' && result.moved)) throw new Error('a receipt was refused')
      transactions++
    }
    return { settlements: transactions * batch, transactions, milliseconds: performance.now() - start }
  },
  close: (): void => opened?.close(),
  /** What the disk does by itself: pages of 4 KiB appended to a file, each synced, a second. */
  diskSyncs: ({ path, windowMs }: { path: string; windowMs: number }): number => {
    const file = openSync(path, 'w')
    try {
      const page = Buffer.alloc(4096, 7)
      const start = performance.now()
      let syncs = 0
      for (; performance.now() - start < windowMs; syncs++) {
        writeSync(file, page)
        fdatasyncSync(file)
      }
      return (syncs / (performance.now() - start)) * 1000
    } finally {
      closeSync(file)
    }
  },
})
