/** Random histories of really signed receipts against a whole hub, over sockets, beside a model of what may come of them. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { Socket } from 'socket.io-client'
import { nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import type { LedgerLine } from '../../src/hub/protocol/settlement/ledger.js'
import { formatCoins } from '../../src/protocol/coins/amount.js'
import { parseReceiptAck, type SignedReceipt } from '../../src/protocol/coins/receipt.js'
import { receiptText, settledText } from '../../src/protocol/signaling/signed-texts.js'
import { type PostgresCluster, POSTGRES_REASON, postgresAvailable, startPostgres } from '../support/postgres.node.js'
import { describeIf } from '../support/requires.js'
import { printedSeed } from '../support/seed.js'
import { isFull, sized } from '../support/sized.js'
import { type Answer, type Attempt, fields, flipped, ReceiptModel } from './receipt-model.js'
import {
  coinsAt,
  description,
  openSession,
  register,
  send,
  settle,
  signIn,
  startHub,
  temporaryFolder,
} from './support.js'

/** Granted to each, as coins and as bytes: a few receipts are more than that. */
const [initialCoins, grantBytes] = [2, 2_000_000]
const names = ['alice', 'bob', 'carol'] as const

/** Consumer and seeder of each session, and how far it has come. */
const sessions = [
  [0, 1, 'answered'],
  [0, 1, 'answered'],
  [1, 0, 'answered'],
  [0, 2, 'answered'],
  [2, 1, 'offered'],
  [1, 2, 'unheard of'],
] as const
const sessionId = (index: number): string => `session-of-a-history-${index}`

/** A hub ends the connection with the third badly signed receipt. */
const maxBadSignatures = 2

/** What one attempt is made of. Numbers are taken modulo what there is. */
interface Draw {
  readonly session: number
  readonly bytes: number
  readonly sender: number
  readonly how: 'true' | 'again' | 'flipped' | 'replayed' | 'forged' | 'other parties'
  readonly field: (typeof fields)[number]
  readonly place: number
}

const draw: fc.Arbitrary<Draw> = fc.record({
  session: fc.oneof({ weight: 4, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.nat(sessions.length - 1) }),
  bytes: fc.oneof(
    fc.integer({ min: 1, max: 20 }),
    fc.integer({ min: 1, max: grantBytes }),
    fc.integer({ min: 1, max: 3 * grantBytes }),
  ),
  // Five of six times a party of the session.
  sender: fc.nat(5),
  how: fc.oneof(
    { weight: 6, arbitrary: fc.constant('true' as const) },
    { weight: 6, arbitrary: fc.constantFrom('again', 'flipped', 'replayed', 'forged', 'other parties') },
  ),
  field: fc.constantFrom(...fields),
  place: fc.nat(10_000),
})

/** Each of these is sent at once. */
const histories = fc.array(fc.array(draw, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 12 })

/** A fresh hub with three peers at it, and their sessions. */
async function scene(database: string) {
  const hub = await startHub({ database, initialCoins })
  const accounts = [
    await register(hub, names[0]),
    await register(hub, names[1]),
    await register(hub, names[2]),
  ] as const
  const sockets: Socket[] = []
  for (const account of accounts) sockets.push((await signIn(hub, account)).socket)
  const model = new ReceiptModel(hub.hubKey)
  for (const [index, [from, to, state]] of sessions.entries()) {
    const [consumer, seeder, of] = [accounts[from], accounts[to], { session: sessionId(index) }]
    if (state === 'answered') {
      await openSession(hub, { consumer, seeder, atConsumer: sockets[from]!, atSeeder: sockets[to]! }, of)
    } else if (state === 'offered') {
      await send(sockets[from]!, description('offer', hub, consumer, seeder, undefined, of))
    }
    const known = { consumer: consumer.pubKey, seeder: seeder.pubKey, answered: state === 'answered', settled: 0 }
    if (state !== 'unheard of') model.sessions.set(of.session, known)
  }
  const earlier: SignedReceipt[] = []

  /** The consumer's by right, or signed by somebody else. */
  function signed(session: number, bytes: number, [from, to]: readonly [number, number], by = from): SignedReceipt {
    const [consumer, seeder] = [accounts[from]!.pubKey, accounts[to]!.pubKey]
    const receipt = { hub_key: hub.hubKey, session: sessionId(session), seeder, consumer, bytes }
    const made = { ...receipt, signature: nodeCrypto.sign(accounts[by]!.privKey, receiptText(receipt)) }
    model.sign(made, accounts[by]!.pubKey)
    earlier.push(made)
    return made
  }

  function receiptOf({ session, bytes, how, field, place }: Draw): SignedReceipt {
    const [from, to] = sessions[session]!
    const before = earlier[place % Math.max(1, earlier.length)]
    switch (how) {
      case 'true':
        return signed(session, bytes, [from, to])
      case 'again':
        return before ?? signed(session, bytes, [from, to])
      case 'flipped':
        return flipped(before ?? signed(session, bytes, [from, to]), field, place)
      case 'replayed': {
        // A signature that is good for another session, or the whole of it for this one.
        const { signature } = before ?? signed((session + 1) % sessions.length, bytes, [from, to])
        return { ...signed(session, bytes, [from, to]), signature }
      }
      case 'forged':
        return signed(session, bytes, [from, to], (from + 1 + (place % 2)) % accounts.length)
      case 'other parties':
        return signed(session, bytes, place % 2 === 0 ? [to, from] : [from, 3 - from - to])
    }
  }

  const attemptOf = (made: Draw): Attempt => {
    const receipt = receiptOf(made)
    const parties = [receipt.consumer, receipt.seeder]
    const stranger = accounts[made.place % accounts.length]!.pubKey
    const sender = made.sender === 5 ? stranger : parties[made.sender % 2]!
    // A key that was flipped is nobody's.
    return { receipt, sender: accounts.some(({ pubKey }) => pubKey === sender) ? sender : stranger }
  }

  const badlySigned = accounts.map(() => 0)
  /** What may be sent at once. Whoever has no badly signed receipts left for that signs in again before. */
  async function allowed(attempts: readonly Attempt[]): Promise<readonly Attempt[]> {
    const sent: Attempt[] = []
    for (const [index, account] of accounts.entries()) {
      const own = attempts.filter(({ sender }) => sender === account.pubKey)
      const bad = own.filter(attempt => model.flaw(attempt) === 'bad-signature').slice(0, maxBadSignatures)
      if (badlySigned[index]! + bad.length > maxBadSignatures) {
        sockets[index] = (await signIn(hub, account)).socket
        badlySigned[index] = 0
      }
      badlySigned[index]! += bad.length
      sent.push(...own.filter(attempt => bad.includes(attempt) || model.flaw(attempt) !== 'bad-signature'))
    }
    return attempts.filter(attempt => sent.includes(attempt))
  }

  async function ask({ receipt, sender }: Attempt): Promise<Answer> {
    const socket = sockets[accounts.findIndex(({ pubKey }) => pubKey === sender)]!
    const ack = parseReceiptAck(await settle(socket, receipt))
    if (ack === undefined) throw new Error('that is no acknowledgement')
    if ('error' in ack) return { refused: ack.error.code }
    const { settled } = ack
    expect(settled.session).toBe(receipt.session)
    expect(nodeCrypto.verify(hub.hubKey, settledText(settled), settled.signature)).toBe(true)
    return settled
  }

  async function newLines(): Promise<readonly LedgerLine[]> {
    const text = await (await fetch(`${hub.url}/v1/ledger?after=${model.chain.seq}`)).text()
    return text.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line) as LedgerLine]))
  }
  for (const line of await newLines()) model.take(line)
  return { hub, accounts, model, attemptOf, allowed, ask, newLines }
}

/** Sends attempts at once, and holds the answers, the new blocks and the wallets against the model. */
async function step(
  { hub, accounts, model, ask, newLines }: Awaited<ReturnType<typeof scene>>,
  at: readonly Attempt[],
) {
  const alone = at.length === 1 ? model.foresee(at[0]!) : undefined
  const answers = await Promise.all(at.map(ask))
  // Where the wallet did not hold a receipt at some time of this step.
  const short = new Set<Attempt>()
  const look = (): void => {
    for (const attempt of at) {
      if (model.flaw(attempt) === undefined && model.shortage(attempt.receipt) > 0) short.add(attempt)
    }
  }
  const blocks = new Map<number, LedgerLine>()
  look()
  for (const line of await newLines()) {
    model.take(line)
    blocks.set(line.seq, line)
    look()
  }
  for (const [index, attempt] of at.entries()) {
    const [answer, { receipt }, flaw] = [answers[index]!, attempt, model.flaw(attempt)]
    if ('refused' in answer) {
      expect(flaw ?? (short.has(attempt) ? 'no-coins' : 'settled')).toBe(answer.refused)
    } else {
      expect(flaw).toBeUndefined()
      expect(answer.bytes).toBeGreaterThanOrEqual(receipt.bytes)
      expect(answer.bytes).toBeLessThanOrEqual(model.sessions.get(receipt.session)!.settled)
      const block = blocks.get(answer.seq)
      if (block !== undefined) expect([block.hash, block.receipt?.session]).toEqual([answer.hash, receipt.session])
    }
    if (alone !== undefined) expect('refused' in answer ? answer.refused : answer.bytes).toBe(alone)
  }
  for (const account of accounts) {
    expect(await coinsAt(hub, account)).toBe(formatCoins(model.wallets.get(account.pubKey)!))
  }
  expect([...model.wallets.values()].reduce((sum, bytes) => sum + bytes, 0)).toBe(accounts.length * grantBytes)
  expect(Math.min(...model.wallets.values())).toBeGreaterThanOrEqual(0)
}

/** What came up over all histories, so that none of it is left out unseen. */
type Tally = Map<string, number>

async function agrees(database: string, history: readonly (readonly Draw[])[], tally: Tally): Promise<void> {
  const running = await scene(database)
  for (const draws of history) {
    const attempts = await running.allowed(draws.map(running.attemptOf))
    const { seq } = running.model.chain
    for (const attempt of attempts) {
      const outcome = running.model.flaw(attempt) ?? 'sound'
      tally.set(outcome, (tally.get(outcome) ?? 0) + 1)
    }
    await step(running, attempts)
    tally.set('moved', (tally.get('moved') ?? 0) + running.model.chain.seq - seq)
  }
  running.hub.subscription.unsubscribe()
}

const outcomes = ['bad-signature', 'malformed', 'moved', 'not-a-party', 'sound', 'unknown-session']

/** Everything comes up in many histories; a few may lack one or the other of the flaws, not what they are about. */
function expectVariety(tally: Tally): void {
  expect([...tally.keys()]).toEqual(expect.arrayContaining(isFull ? outcomes : ['moved', 'sound']))
  expect(tally.size).toBeGreaterThan(3)
}

describe('receipts in any order, repeated, replayed, forged and changed, many at once', () => {
  it('are settled as the model has it on SQLite', async () => {
    const [seed, tally, folder] = [printedSeed('receipt histories'), new Map<string, number>(), temporaryFolder()]
    let run = 0
    const property = fc.asyncProperty(histories, history =>
      agrees(`sqlite:${join(folder, `${(run += 1)}.db`)}`, history, tally),
    )
    await fc.assert(property, { seed, numRuns: sized(16, 800) })
    expectVariety(tally)
  }, 300_000)

  describeIf(postgresAvailable(), POSTGRES_REASON)('and with PostgreSQL', () => {
    let cluster: PostgresCluster | undefined
    beforeAll(async () => {
      // A crash of this cluster is nobody's loss.
      cluster = await startPostgres({ fsync: 'off' })
    })
    afterAll(() => cluster?.remove())

    it('are settled as the model has it', async () => {
      const [seed, tally] = [printedSeed('receipt histories on PostgreSQL'), new Map<string, number>()]
      const property = fc.asyncProperty(histories, async history =>
        agrees(await cluster!.createDatabase(), history, tally),
      )
      await fc.assert(property, { seed, numRuns: sized(8, 300) })
      expectVariety(tally)
    }, 300_000)
  })
})
