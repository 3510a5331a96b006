import { describe, expect, it } from '@jest/globals'
import type { Socket } from 'socket.io-client'
import { nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import type { HubOptions } from '../../src/hub/app.js'
import type { LedgerLine } from '../../src/hub/protocol/settlement/ledger.js'
import type { Settlement } from '../../src/protocol/coins/receipt.js'
import { settledText } from '../../src/protocol/signaling/signed-texts.js'
import { verifyAll } from './store.contract.js'
import {
  type Account,
  coinsAt,
  description,
  newAccount,
  next,
  openSession,
  openSocket,
  register,
  send,
  session,
  settle,
  signedReceipt,
  signIn,
  startHub,
} from './support.js'

async function pair(options: HubOptions = {}) {
  const hub = await startHub(options)
  const [alice, bob] = [await register(hub, 'alice'), await register(hub, 'bob')]
  const [{ socket: atAlice }, { socket: atBob }] = [await signIn(hub, alice), await signIn(hub, bob)]
  const open = (of = { session }) =>
    openSession(hub, { consumer: alice, seeder: bob, atConsumer: atAlice, atSeeder: atBob }, of)
  const receipt = (bytes: number, of = { session }) => signedReceipt(hub, alice, bob, bytes, of)
  const coins = (account: Account) => coinsAt(hub, account)
  const ledger = async (): Promise<LedgerLine[]> =>
    (await (await fetch(`${hub.url}/v1/ledger`)).text())
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as LedgerLine)
  return { hub, alice, bob, atAlice, atBob, open, receipt, coins, ledger }
}

/** Counts what a socket is told, from now on. */
function told(socket: Socket): Settlement[] {
  const settlements: Settlement[] = []
  socket.on('settled', (settlement: Settlement) => settlements.push(settlement))
  return settlements
}

describe('a receipt', () => {
  it('moves the difference, and tells both parties what the hub signed', async () => {
    const { hub, alice, bob, atAlice, atBob, open, receipt, coins, ledger } = await pair()
    await open()
    const both = [next(atAlice, 'settled'), next(atBob, 'settled')]
    const ack = await settle(atAlice, receipt(1_500_000))
    const [[toAlice], [toBob]] = (await Promise.all(both)) as [[Settlement], [Settlement]]
    expect(ack).toEqual({ settled: toAlice })
    expect([toAlice.coins, toBob.coins]).toEqual(['98.500000', '101.500000'])
    for (const settlement of [toAlice, toBob]) {
      expect(settlement).toMatchObject({ session, bytes: 1_500_000, seq: 3 })
      expect(nodeCrypto.verify(hub.hubKey, settledText(settlement), settlement.signature)).toBe(true)
    }
    expect((await settle(atBob, receipt(4_000_000))).settled).toMatchObject({ bytes: 4_000_000, coins: '104.000000' })
    expect([await coins(alice), await coins(bob)]).toEqual(['96.000000', '104.000000'])
    const lines = await ledger()
    expect(verifyAll(lines).seq).toBe(4)
    expect(lines.slice(2)).toMatchObject([
      { kind: 'transfer', from: alice.pubKey, to: bob.pubKey, bytes: 1_500_000, receipt: receipt(1_500_000) },
      { kind: 'transfer', from: alice.pubKey, to: bob.pubKey, bytes: 2_500_000, receipt: receipt(4_000_000) },
    ])
    expect(lines[2]!.hash).toBe(toAlice.hash)
  })

  it('settled twice, by whoever, or overtaken by a higher one, moves nothing and tells the sender alone', async () => {
    const { atAlice, atBob, alice, open, receipt, coins, ledger } = await pair()
    await open()
    const first = await settle(atAlice, receipt(3_000_000))
    await settle(atBob, receipt(3_000_000))
    const [atA, atB] = [told(atAlice), told(atBob)]
    expect(await settle(atAlice, receipt(3_000_000))).toEqual(first)
    expect((await settle(atAlice, receipt(1))).settled).toEqual(first.settled)
    expect((await settle(atBob, receipt(2_999_999))).settled).toMatchObject({ bytes: 3_000_000, coins: '103.000000' })
    expect([atA, atB]).toEqual([[], []])
    expect(await coins(alice)).toBe('97.000000')
    expect(await ledger()).toHaveLength(3)
  })

  it('can be settled by the seeder while the consumer is away', async () => {
    const { atAlice, atBob, open, receipt, coins, alice } = await pair()
    await open()
    const gone = next(atAlice, 'disconnect')
    atAlice.disconnect()
    await gone
    expect(await settle(atBob, receipt(1_000_000))).toMatchObject({ settled: { coins: '101.000000' } })
    expect(await coins(alice)).toBe('99.000000')
  })

  it('is refused when anything about it is wrong', async () => {
    const { hub, alice, bob, atAlice, open, receipt, ledger } = await pair()
    await open()
    const carol = await register(hub, 'carol')
    const { socket: atCarol } = await signIn(hub, carol)
    const good = receipt(1_000_000)
    const flipped = Buffer.from(good.signature, 'base64')
    flipped[5]! ^= 1
    const forged = [
      { ...good, bytes: 1_000_001 },
      { ...good, session: 'session-of-a-spec-0002' },
      { ...good, signature: flipped.toString('base64') },
      { ...good, seeder: carol.pubKey },
      // Signed by the seeder, who would like to be paid.
      signedReceipt(hub, { ...alice, privKey: bob.privKey }, bob, 1_000_000),
    ]
    const cases: [string, Socket, unknown][] = [
      ['malformed', atAlice, undefined],
      ['malformed', atAlice, 'receipt'],
      ['malformed', atAlice, { ...good, bytes: 0 }],
      ['malformed', atAlice, { ...good, bytes: -1 }],
      ['malformed', atAlice, { ...good, bytes: 1.5 }],
      ['malformed', atAlice, { ...good, bytes: '1000000' }],
      ['malformed', atAlice, { ...good, bytes: 2 ** 53 }],
      ['malformed', atAlice, { ...good, seeder: alice.pubKey }],
      ['malformed', atAlice, { ...good, note: 'x'.repeat(1_024) }],
      ['malformed', atAlice, signedReceipt({ hubKey: newAccount('other').pubKey }, alice, bob, 1_000_000)],
      ['not-a-party', atCarol, good],
      // Of this session, with somebody else as the payee.
      ['not-a-party', atAlice, signedReceipt(hub, alice, carol, 1_000_000)],
      ['not-a-party', atAlice, signedReceipt(hub, bob, alice, 1_000_000)],
      ['unknown-session', atAlice, receipt(1_000_000, { session: 'session-of-a-spec-0003' })],
      ['no-coins', atAlice, receipt(100_000_001)],
      ['no-coins', atAlice, receipt(Number.MAX_SAFE_INTEGER)],
    ]
    const acks = await Promise.all(cases.map(([, socket, message]) => settle(socket, message)))
    expect(acks.map(({ error }) => error?.code)).toEqual(cases.map(([code]) => code))
    // Two that are badly signed are forgiven to a connection.
    const badlySigned: any[] = []
    for (const message of forged) {
      const { socket } = await signIn(hub, alice)
      badlySigned.push(await settle(socket, message))
    }
    expect(badlySigned.map(({ error }) => error?.code)).toEqual(forged.map(() => 'bad-signature'))
    for (const { error } of acks) expect(error.message).toMatch(/[a-z]{3,}.*\.$/)
    expect(await ledger()).toHaveLength(3)
    // And the good one is still good, to the last byte.
    const { socket } = await signIn(hub, alice)
    expect(await settle(socket, receipt(100_000_000))).toMatchObject({ settled: { coins: '0.000000' } })
  })

  it('that is badly signed three times ends the connection, and no other', async () => {
    const { atAlice, atBob, open, receipt } = await pair()
    await open()
    const over = Promise.all([next(atAlice, 'refused'), next(atAlice, 'disconnect')])
    const acks = [1, 2, 3].map(bytes => settle(atAlice, { ...receipt(bytes), bytes: bytes + 1 }))
    expect((await Promise.all(acks)).map(({ error }) => error?.code)).toEqual(Array(3).fill('bad-signature'))
    expect((await over)[0]).toMatchObject([{ code: 'unavailable' }])
    expect(await settle(atBob, receipt(4))).toMatchObject({ settled: { bytes: 4 } })
  })

  it('counts only once the answer was forwarded, to the one who was asked', async () => {
    const { hub, alice, bob, atAlice, atBob, receipt } = await pair()
    const unknown = { error: { code: 'unknown-session' } }
    expect(await settle(atAlice, receipt(1))).toMatchObject(unknown)
    await send(atAlice, description('offer', hub, alice, bob))
    expect(await settle(atAlice, receipt(1))).toMatchObject(unknown)
    await send(atBob, description('answer', hub, bob, alice))
    expect(await settle(atAlice, receipt(1))).toMatchObject({ settled: { bytes: 1 } })
  })

  it('is settled for who wants no answer, too', async () => {
    const { atAlice, open, receipt } = await pair()
    await open()
    const settled = next(atAlice, 'settled')
    atAlice.emit('receipt', receipt(5))
    expect((await settled)[0]).toMatchObject({ bytes: 5 })
  })

  it('is not heard from a socket that has not signed in', async () => {
    const { hub, alice, atBob, open, receipt } = await pair()
    await open()
    const stranger = openSocket(hub, { pub_key: alice.pubKey })
    await next(stranger, 'challenge')
    const closed = next(stranger, 'disconnect')
    stranger.emit('receipt', receipt(7))
    // Its login fails after its receipt was dropped: what comes over one socket comes in order.
    stranger.emit('error')
    await closed
    expect(await settle(atBob, receipt(5))).toMatchObject({ settled: { bytes: 5 } })
  })

  it('pays each byte once, however many come at once and in which order', async () => {
    const { atAlice, atBob, alice, bob, open, receipt, coins, ledger } = await pair()
    const sessions = Array.from({ length: 5 }, (_, index) => ({ session: `session-of-a-spec-10${index}` }))
    for (const of of sessions) await open(of)
    const receipts = sessions.flatMap(of => Array.from({ length: 40 }, (_, step) => receipt((step + 1) * 1_000, of)))
    const shuffled = receipts.map((one, index) => ({ one, key: (index * 7_919) % 1_009 })).sort((a, b) => a.key - b.key)
    const acks = await Promise.all(shuffled.flatMap(({ one }) => [settle(atAlice, one), settle(atBob, one)]))
    expect(acks.every(({ settled }) => settled !== undefined)).toBe(true)
    expect([await coins(alice), await coins(bob)]).toEqual(['99.800000', '100.200000'])
    const lines = await ledger()
    verifyAll(lines)
    const paid = lines.filter(({ kind }) => kind === 'transfer').reduce((sum, { bytes }) => sum + bytes, 0)
    expect(paid).toBe(200_000)
  })

  it('is limited by key', async () => {
    const { hub, alice, atAlice, atBob, open, receipt } = await pair({
      // A window of a minute, which this does not take.
      rateLimits: { receiptBurst: 60, receiptsPerSecond: 1 },
      clock: { now: () => 0 },
    })
    await open()
    const acks = await Promise.all(Array.from({ length: 61 }, (_, index) => settle(atAlice, receipt(index + 1))))
    expect(acks.map(({ error }) => error?.code)).toEqual([...Array<undefined>(60).fill(undefined), 'rate-limited'])
    const { socket } = await signIn(hub, alice)
    expect(await settle(socket, receipt(62))).toMatchObject({ error: { code: 'rate-limited' } })
    expect(await settle(atBob, receipt(62))).toMatchObject({ settled: { bytes: 62 } })
    const text = await (await fetch(`${hub.url}/metrics`)).text()
    expect(text).toContain('lighthouse_hub_receipts_total{outcome="rate-limited"} 2')
    expect(text).toContain('lighthouse_hub_limited_total{limit="receipts"} 2')
    expect(text).toMatch(/lighthouse_hub_settlements_total \d+\n/)
    expect(text).toMatch(/lighthouse_hub_settlement_batch_receipts_count [1-9]/)
    expect(text).toMatch(/lighthouse_hub_settlement_batch_seconds_count [1-9]/)
    expect(text).toContain('lighthouse_hub_pending_receipts 0')
  })
})

describe('the keys of one address', () => {
  it('have one limit together, for receipts and for offers', async () => {
    const { hub, alice, bob, atAlice, atBob, open, receipt } = await pair({
      rateLimits: {
        ...{ receiptBurstPerAddress: 3, receiptsPerSecondPerAddress: 1 },
        ...{ offerBurstPerAddress: 2, offersPerMinutePerAddress: 1 },
      },
      clock: { now: () => 0 },
    })
    await open()
    const receipts = [atAlice, atBob, atAlice, atBob].map((socket, index) => settle(socket, receipt(index + 1)))
    const codes = (await Promise.all(receipts)).map(({ error }) => error?.code)
    expect(codes).toEqual([undefined, undefined, undefined, 'rate-limited'])
    const another = { session: 'session-of-a-spec-0009' }
    expect(await send(atBob, description('offer', hub, bob, alice, undefined, another))).toEqual({ delivered: true })
    expect(await send(atAlice, description('offer', hub, alice, bob))).toMatchObject({
      error: { code: 'rate-limited' },
    })
    const text = await (await fetch(`${hub.url}/metrics`)).text()
    expect(text).toContain('lighthouse_hub_limited_total{limit="receipts-by-address"} 1')
    expect(text).toContain('lighthouse_hub_limited_total{limit="offers-by-address"} 1')
  })
})

describe('sessions of which the hub knows', () => {
  it('belong to those who began them: an offer of others, or an answer without an offer, is malformed', async () => {
    const { hub, alice, bob, atAlice, atBob, open } = await pair()
    const carol = await register(hub, 'carol')
    const { socket: atCarol } = await signIn(hub, carol)
    const malformed = { error: { code: 'malformed', message: expect.stringContaining('session') } }
    let heard = 0
    for (const socket of [atAlice, atBob, atCarol]) socket.on('signal', () => (heard += 1))
    expect(await send(atBob, description('answer', hub, bob, alice))).toMatchObject(malformed)
    expect(heard).toBe(0)
    await open()
    // Both parties may say it again, which is how a connection changes its way.
    await open()
    heard = 0
    expect(await send(atCarol, description('offer', hub, carol, bob))).toMatchObject(malformed)
    expect(await send(atBob, description('offer', hub, bob, alice))).toMatchObject(malformed)
    expect(await send(atCarol, description('answer', hub, carol, alice))).toMatchObject(malformed)
    expect(await send(atAlice, description('answer', hub, alice, bob))).toMatchObject(malformed)
    expect(heard).toBe(0)
  })

  it('are limited by key', async () => {
    const { hub, alice, bob, atAlice } = await pair({
      rateLimits: { offerBurst: 2, offersPerMinute: 1 },
      clock: { now: () => 0 },
    })
    const acks = await Promise.all([1, 2, 3].map(() => send(atAlice, description('offer', hub, alice, bob))))
    expect(acks[2]).toMatchObject({ error: { code: 'rate-limited' } })
    const bye = { type: 'bye', session, from: alice.pubKey, to: bob.pubKey, payload: { reason: '' } }
    expect(await send(atAlice, bye)).toEqual({ delivered: true })
  })
})
