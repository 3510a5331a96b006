import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import type { Hub } from '../../src/hub/app.js'
import { settledText } from '../../src/protocol/signaling/signed-texts.js'
import { type PostgresCluster, POSTGRES_REASON, postgresAvailable, startPostgres } from '../support/postgres.node.js'
import { type RedisServer, REDIS_REASON, startRedis } from '../support/redis.node.js'
import { describeIf, findRedis } from '../support/requires.js'
import {
  coinsAt,
  description,
  newAccount,
  next,
  openSession,
  register,
  send,
  session,
  settle,
  signedReceipt,
  signIn,
  startHub,
} from './support.js'

/** Asks until the answer fits: each question is a round trip. */
async function until<Answer>(ask: () => Promise<Answer>, fits: (answer: Answer) => boolean): Promise<Answer> {
  const answer = await ask()
  return fits(answer) ? answer : until(ask, fits)
}

const needs = `${POSTGRES_REASON}, and ${REDIS_REASON}`

describeIf(postgresAvailable() && findRedis() !== undefined, needs)('two hubs on one PostgreSQL and one Redis', () => {
  let [postgres, redis]: [PostgresCluster?, RedisServer?] = []
  beforeAll(async () => {
    ;[postgres, redis] = await Promise.all([startPostgres(), startRedis()])
  })
  afterAll(() => Promise.all([postgres?.remove(), redis?.remove()]))

  async function twoHubs() {
    const shared = { database: await postgres!.createDatabase(), redis: redis!.url }
    // Together, as they are started by a compose file.
    const [one, two] = await Promise.all([startHub(shared), startHub(shared)])
    return { shared, one, two }
  }

  async function pair() {
    const { one, two, shared } = await twoHubs()
    const [alice, bob] = [await register(one, 'alice'), await register(two, 'bob')]
    const [{ socket: atAlice }, { socket: atBob }] = [await signIn(one, alice), await signIn(two, bob)]
    return { shared, one, two, alice, bob, atAlice, atBob }
  }

  it('have one key, one ledger and one table of names', async () => {
    const { one, two } = await twoHubs()
    expect(one.hubKey).toBe(two.hubKey)
    const alice = await register(one, 'alice')
    expect(await (await fetch(`${two.url}/v1/resolve/alice`)).text()).toBe(alice.pubKey)
    await expect(register(two, 'alice')).rejects.toThrow('409')
  })

  it('forward signals to each other’s peers, acknowledged and in order', async () => {
    const { one, alice, bob, atAlice, atBob } = await pair()
    const received: any[] = []
    atBob.on('signal', signal => received.push(signal))
    const offer = description('offer', one, alice, bob)
    const bye = { type: 'bye', session, from: alice.pubKey, to: bob.pubKey, payload: { reason: 'ü' } }
    expect(await Promise.all([send(atAlice, offer), send(atAlice, bye)])).toEqual([
      { delivered: true },
      { delivered: true },
    ])
    await until(
      async () => received.length,
      length => length === 2,
    )
    expect(received).toEqual([offer, bye])
    const answered = next(atAlice, 'signal')
    const reply = description('answer', one, bob, alice)
    expect(await send(atBob, reply)).toEqual({ delivered: true })
    expect(await answered).toEqual([reply])
  })

  it('say offline and unknown-peer of what is with neither', async () => {
    const { one, two, alice, atAlice } = await pair()
    const [carol, stranger] = [await register(two, 'carol'), newAccount('stranger')]
    const codes = [carol, stranger].map(
      async target => (await send(atAlice, description('offer', one, alice, target))).error.code,
    )
    expect(await Promise.all(codes)).toEqual(['offline', 'unknown-peer'])
  })

  it('keep one live session a key across both', async () => {
    const { one, two, alice, bob, atAlice, atBob } = await pair()
    const told = Promise.all([next(atBob, 'replaced'), next(atBob, 'disconnect')])
    const { socket: newer } = await signIn(one, bob)
    const [[{ message }], [reason]] = await told
    expect([message, reason]).toEqual([expect.stringContaining('elsewhere'), 'io server disconnect'])
    const received = next(newer, 'signal')
    const { socket: other } = await signIn(two, await register(two, 'carol'))
    expect(other.connected).toBe(true)
    expect(await send(atAlice, description('offer', one, alice, bob))).toEqual({ delivered: true })
    expect((await received)[0].from).toBe(alice.pubKey)
  })

  it('settle a receipt at one and tell the party at the other, signed by the same key', async () => {
    const { one, two, alice, bob, atAlice, atBob } = await pair()
    await openSession(one, { consumer: alice, seeder: bob, atConsumer: atAlice, atSeeder: atBob })
    const told = next(atBob, 'settled')
    const ack = await settle(atAlice, signedReceipt(one, alice, bob, 2_500_000))
    const [settled] = await told
    expect([ack.settled.coins, settled.coins]).toEqual(['97.500000', '102.500000'])
    expect(settled).toMatchObject({ session, bytes: 2_500_000, seq: ack.settled.seq, hash: ack.settled.hash })
    expect(nodeCrypto.verify(one.hubKey, settledText(settled), settled.signature)).toBe(true)
    expect([await coinsAt(one, bob), await coinsAt(two, alice)]).toEqual(['102.500000', '97.500000'])
    // The seeder brings the same receipt and a higher one to its own hub.
    const again = await settle(atBob, signedReceipt(two, alice, bob, 2_500_000))
    expect(again.settled).toEqual(settled)
    const [toAlice, higher] = [next(atAlice, 'settled'), signedReceipt(two, alice, bob, 3_000_000)]
    expect((await settle(atBob, higher)).settled.coins).toBe('103.000000')
    expect((await toAlice)[0].coins).toBe('97.000000')
  })

  it('take over each other’s peers: what one left off the other goes on with', async () => {
    const { one, two, alice, bob, atAlice, atBob } = await pair()
    await openSession(one, { consumer: alice, seeder: bob, atConsumer: atAlice, atSeeder: atBob })
    await settle(atAlice, signedReceipt(one, alice, bob, 1_000_000))
    const lost = next(atAlice, 'disconnect')
    one.subscription.unsubscribe()
    await lost
    const offer = description('offer', two, bob, alice)
    await until(
      () => send(atBob, offer),
      ({ error }) => error?.code === 'offline',
    )
    const { socket: again, welcome } = await signIn(two, alice)
    expect(welcome.coins).toBe('99.000000')
    const received = next(again, 'signal')
    const other = { ...description('offer', two, bob, alice), session: 'session-of-a-spec-0002' }
    expect(await send(atBob, other)).toEqual({ delivered: true })
    expect((await received)[0].from).toBe(bob.pubKey)
    const ack = await settle(again, signedReceipt(two, alice, bob, 4_000_000))
    expect([ack.settled.coins, await coinsAt(two, bob)]).toEqual(['96.000000', '104.000000'])
  })

  it('go on apart while Redis is away, say so, and find each other again', async () => {
    const { one, two, alice, bob, atAlice, atBob } = await pair()
    const carol = await register(one, 'carol')
    const { socket: atCarol } = await signIn(one, carol)
    const health = async (hub: Hub): Promise<number> => (await fetch(`${hub.url}/v1/health`)).status
    await redis!.kill()
    await until(
      () => health(one),
      status => status === 503,
    )
    const offer = description('offer', one, alice, bob)
    await until(
      () => send(atAlice, offer),
      ({ error }) => error?.code === 'offline',
    )
    const other = { ...description('offer', one, alice, carol), session: 'session-of-a-spec-0003' }
    expect(await send(atAlice, other)).toEqual({ delivered: true })
    expect(atCarol.connected).toBe(true)
    await redis!.start()
    await until(
      () => send(atAlice, offer),
      ack => ack.delivered === true,
    )
    for (const hub of [one, two]) {
      await until(
        () => health(hub),
        status => status === 200,
      )
    }
    expect(atBob.connected).toBe(true)
  })
})
