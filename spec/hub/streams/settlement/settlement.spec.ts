import { describe, expect, it } from '@jest/globals'
import { nodeCrypto } from '../../../../src/adapters/crypto/crypto.node.js'
import type { SettleResult } from '../../../../src/hub/protocol/settlement/settlement.js'
import { type SettlementRequest, settlementService } from '../../../../src/hub/streams/settlement/settlement.js'
import type { ReceiptAck, SignedReceipt } from '../../../../src/protocol/coins/receipt.js'
import { settledText } from '../../../../src/protocol/signaling/signed-texts.js'
import { virtualTime } from '../../../streams/support/virtual-time.js'
import { type Account, newAccount, signedReceipt } from '../../support.js'
import { notedMetrics } from '../support/noted-metrics.js'

const hubKeys = newAccount('hub')
const hub = { hubKey: hubKeys.pubKey }
const [alice, bob, mallory] = [newAccount('alice'), newAccount('bob'), newAccount('mallory')]
const sessionOf = (number: number): { session: string } => ({ session: `session-of-a-spec-${1_000 + number}` })

/** Lets promises that have settled be heard. */
const heard = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

const done = (bytes: number, moved = true): SettleResult => ({
  ...{ type: 'settled', moved, bytes, seq: 7, hash: 'f'.repeat(128) },
  ...{ consumerBytes: 98_000_001, seederBytes: 102_000_000 },
})

type Settle = (receipts: readonly SignedReceipt[]) => Promise<readonly SettleResult[]>

/** A store that settles whatever fits: the first receipt of a session that does stands for those after it. */
function settling(fits: (receipt: SignedReceipt) => boolean, code: 'not-a-party' | 'no-coins'): Settle {
  return async receipts => {
    const settled = new Map<string, number>()
    return receipts.map(receipt => {
      if (!fits(receipt)) return { type: 'refused', code }
      const before = settled.get(receipt.session)
      if (before === undefined) settled.set(receipt.session, receipt.bytes)
      return done(before ?? receipt.bytes, before === undefined)
    })
  }
}

function serve(settle: Settle = settling(() => true, 'no-coins')) {
  const time = virtualTime()
  const [commits, delivered, noted, errors]: [SignedReceipt[][], [string, string, any][], string[], string[]] = [
    [],
    [],
    [],
    [],
  ]
  const service = settlementService({
    store: {
      settle(receipts) {
        commits.push([...receipts])
        return settle(receipts)
      },
    },
    keys: hubKeys,
    crypto: nodeCrypto,
    bus: {
      async deliver(key, event, body) {
        delivered.push([key, event, body])
        return 'offline'
      },
    },
    clock: time.clock,
    scheduler: time.scheduler,
    logger: { info: () => undefined, warn: () => undefined, error: (_fields, message) => void errors.push(message) },
    metrics: notedMetrics(what => void noted.push(what)),
  })
  const subscription = service.settle$.subscribe()
  const acks: ReceiptAck[] = []
  const submit = (
    bytes: number,
    session = 1,
    sender = alice.pubKey,
    [consumer, seeder]: readonly [Account, Account] = [alice, bob],
  ): void => {
    const request: SettlementRequest = {
      receipt: signedReceipt(hub, consumer, seeder, bytes, sessionOf(session)),
      sender,
      acknowledge: ack => void acks.push(ack),
    }
    service.submit(request)
  }
  return { ...{ time, service, subscription, commits, delivered, noted, errors, acks, submit } }
}

describe('settlementService', () => {
  it('says nothing before it is durable, then signs for each party its own wallet, and tells the seeder of both', async () => {
    let commit: ((results: readonly SettleResult[]) => void) | undefined
    const hubOf = serve(() => new Promise(resolve => (commit = resolve)))
    hubOf.submit(2_000_000, 1, bob.pubKey)
    hubOf.time.advance(3)
    await heard()
    expect([hubOf.commits.length, hubOf.acks, hubOf.delivered, hubOf.service.pending]).toEqual([1, [], [], 1])
    commit!([done(2_000_000)])
    await heard()
    const settlement = { ...sessionOf(1), bytes: 2_000_000, seq: 7, hash: 'f'.repeat(128) }
    const [toBob] = hubOf.acks.map(ack => ('settled' in ack ? ack.settled : undefined))
    expect(toBob).toMatchObject({ ...settlement, coins: '102.000000', consumer_coins: '98.000001' })
    expect(hubOf.delivered.map(([key, event, { coins, consumer_coins: payer }]) => [key, event, coins, payer])).toEqual(
      [
        [alice.pubKey, 'settled', '98.000001', undefined],
        [bob.pubKey, 'settled', '102.000000', '98.000001'],
      ],
    )
    for (const one of hubOf.delivered.map(([, , body]) => body)) {
      expect(nodeCrypto.verify(hub.hubKey, settledText(one), one.signature)).toBe(true)
    }
    expect(hubOf.noted).toEqual(['batch of 1', 'receipt settled', 'settlement'])
    expect([hubOf.service.pending, hubOf.time.pending()]).toEqual([0, 0])
  })

  it('schedules nothing while it is idle, and lets go of all when it is unsubscribed', () => {
    const { time, submit, subscription } = serve()
    expect(time.pending()).toBe(0)
    submit(1)
    expect(time.pending()).toBe(1)
    subscription.unsubscribe()
    expect(time.pending()).toBe(0)
  })

  it('settles all that come within 3 ms together, and of a session the highest first', async () => {
    const { time, submit, commits, acks, delivered, noted } = serve()
    submit(5, 1)
    time.advance(1)
    submit(9, 2)
    submit(7, 1)
    submit(6, 1, bob.pubKey)
    time.advance(1)
    expect(commits).toEqual([])
    time.advance(1)
    await heard()
    expect(commits.map(receipts => receipts.map(({ session, bytes }) => [session, bytes]))).toEqual([
      [
        [sessionOf(2).session, 9],
        [sessionOf(1).session, 7],
        [sessionOf(1).session, 6],
        [sessionOf(1).session, 5],
      ],
    ])
    expect(acks.map(ack => 'settled' in ack && ack.settled.bytes)).toEqual([9, 7, 7, 7])
    expect(delivered).toHaveLength(4)
    expect(noted.filter(what => what === 'settlement')).toHaveLength(2)
  })

  it.each([
    ['consumer', [mallory, bob]],
    ['seeder', [alice, mallory]],
    ['consumer and seeder', [bob, alice]],
  ] as const)(
    "lets no stranger's higher receipt stand for the one of the session: another %s",
    async (_who, others) => {
      const isTheirs = ({ consumer, seeder }: SignedReceipt): boolean =>
        consumer === alice.pubKey && seeder === bob.pubKey
      const { time, submit, acks, delivered } = serve(settling(isTheirs, 'not-a-party'))
      submit(5, 1)
      submit(9_000_000, 1, others[0].pubKey, others)
      submit(7, 1, bob.pubKey)
      time.advance(3)
      await heard()
      expect(acks.map(ack => ('settled' in ack ? ack.settled.bytes : ack.error.code))).toEqual(['not-a-party', 7, 7])
      expect(delivered.map(([key, , { bytes }]) => [key, bytes])).toEqual([
        [alice.pubKey, 7],
        [bob.pubKey, 7],
      ])
    },
  )

  it('collects the next batch while one is settled, at most 500 each', async () => {
    const commit: (() => void)[] = []
    const settle: Settle = receipts =>
      new Promise(resolve => commit.push(() => resolve(receipts.map(({ bytes }) => done(bytes)))))
    const { time, submit, commits, acks } = serve(settle)
    submit(1, 0)
    time.advance(3)
    for (let session = 1; session <= 700; session += 1) submit(1, session)
    time.advance(1_000)
    await heard()
    expect(commits.map(({ length }) => length)).toEqual([1])
    for (const lengths of [
      [1, 500],
      [1, 500, 200],
      [1, 500, 200],
    ]) {
      commit.shift()?.()
      await heard()
      expect(commits.map(({ length }) => length)).toEqual(lengths)
    }
    expect(acks).toHaveLength(701)
  })

  it('does not wait for 3 ms when a batch is full', async () => {
    const { submit, commits } = serve()
    for (let session = 0; session < 500; session += 1) submit(1, session)
    await heard()
    expect(commits.map(({ length }) => length)).toEqual([500])
  })

  it('tells the sender alone of what was settled before', async () => {
    const { time, submit, acks, delivered, noted } = serve(async () => [done(9, false)])
    submit(5)
    time.advance(3)
    await heard()
    expect(acks).toMatchObject([{ settled: { bytes: 9, coins: '98.000001' } }])
    expect(delivered).toEqual([])
    expect(noted).toEqual(['batch of 1', 'receipt repeated'])
  })

  it('pays a lower receipt where the wallet does not hold the highest', async () => {
    const { time, submit, commits, acks } = serve(settling(({ bytes }) => bytes <= 5, 'no-coins'))
    submit(3, 1)
    submit(9, 1)
    submit(5, 1)
    submit(2, 2)
    submit(8, 3)
    time.advance(3)
    await heard()
    expect(commits.map(receipts => receipts.map(({ bytes }) => bytes))).toEqual([[9, 8, 5, 3, 2]])
    const outcomes = acks.map(ack => ('settled' in ack ? ack.settled.bytes : ack.error.code))
    expect(outcomes).toEqual(['no-coins', 'no-coins', 5, 5, 2])
  })

  it.each(['not-a-party', 'unknown-session', 'no-coins'] as const)('hands on %s, in words', async code => {
    const { time, submit, acks, delivered, noted } = serve(async () => [{ type: 'refused', code }])
    submit(5)
    time.advance(3)
    await heard()
    expect(acks).toMatchObject([{ error: { code, message: expect.stringMatching(/[a-z]{3,}.*\.$/) } }])
    expect([delivered, noted]).toEqual([[], ['batch of 1', `receipt ${code}`]])
  })

  it('says unavailable when the store fails, and goes on', async () => {
    let working = false
    const { time, submit, acks, errors, service } = serve(async receipts => {
      if (working) return receipts.map(({ bytes }) => done(bytes))
      throw new Error('disk full')
    })
    submit(5, 1)
    submit(5, 2)
    time.advance(3)
    await heard()
    expect(acks).toMatchObject([{ error: { code: 'unavailable' } }, { error: { code: 'unavailable' } }])
    expect(errors).toHaveLength(1)
    working = true
    submit(6)
    time.advance(3)
    await heard()
    expect(acks.at(-1)).toMatchObject({ settled: { bytes: 6 } })
    expect(service.pending).toBe(0)
  })

  it('gives a store that hangs fifteen seconds', async () => {
    let hangs = true
    const { time, submit, acks } = serve(receipts =>
      hangs ? new Promise(() => undefined) : Promise.resolve(receipts.map(({ bytes }) => done(bytes))),
    )
    submit(5)
    time.advance(3)
    await heard()
    time.advance(14_999)
    expect(acks).toEqual([])
    hangs = false
    submit(6)
    time.advance(1)
    await heard()
    expect(acks).toMatchObject([{ error: { code: 'unavailable' } }, { settled: { bytes: 6 } }])
  })

  it('holds at most 4,096 receipts', async () => {
    const { time, submit, acks, service } = serve(() => new Promise(() => undefined))
    for (let session = 0; session < 4_100; session += 1) submit(1, session % 100)
    time.advance(100)
    expect(service.pending).toBe(4_096)
    expect(acks).toMatchObject(Array.from({ length: 4 }, () => ({ error: { code: 'rate-limited' } })))
  })
})
