import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { EMPTY, NEVER, Observable, Subject, throwError, VirtualTimeScheduler } from 'rxjs'
import type { BusConnection, BusMessage, HubBus } from '../../../../src/hub/ports/bus.js'
import { sharedBus$ } from '../../../../src/hub/streams/bus/shared-bus.js'
import { fakeSession } from '../../bus.contract.js'

const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** Moves virtual time on, and lets promises follow. */
async function pass(scheduler: VirtualTimeScheduler, ms: number): Promise<void> {
  scheduler.schedule(() => undefined, ms)
  scheduler.maxFrames = scheduler.now() + ms
  scheduler.flush()
  await settled()
}

/** A connection to a `Broker` whose two directions move one message at a time, when they are told to. */
class Line {
  readonly message$ = new Subject<BusMessage>()
  readonly toBroker: (() => void)[] = []
  readonly toProcess: (() => void)[] = []
  readonly #rejects = new Set<(error: Error) => void>()

  constructor(
    private readonly broker: Map<string, Set<Line>>,
    readonly fail: (error: Error) => void,
  ) {}

  connection(): BusConnection {
    return {
      message$: this.message$,
      publish: (channel, text) =>
        this.#call(() => {
          const lines = [...(this.broker.get(channel) ?? [])]
          for (const line of lines) line.toProcess.push(() => line.message$.next({ channel, text }))
          return lines.length
        }),
      subscribe: channels => this.#call(() => channels.forEach(channel => this.#subscribers(channel).add(this))),
      unsubscribe: channel => this.#call(() => void this.#subscribers(channel).delete(this)),
      check: () => this.#call(() => undefined),
    }
  }

  cut(): void {
    for (const lines of this.broker.values()) lines.delete(this)
    for (const reject of this.#rejects) reject(new Error('cut'))
    this.toBroker.length = 0
    this.toProcess.length = 0
  }

  #subscribers(channel: string): Set<Line> {
    const lines = this.broker.get(channel) ?? new Set()
    this.broker.set(channel, lines)
    return lines
  }

  #call<Answer>(run: () => Answer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#rejects.add(reject)
      this.toBroker.push(() => {
        const answer = run()
        this.toProcess.push(() => {
          this.#rejects.delete(reject)
          resolve(answer)
        })
      })
    })
  }
}

/** Processes around a broker, with clocks that are wrong. */
class Cluster {
  readonly scheduler = new VirtualTimeScheduler()
  readonly buses: HubBus[] = []
  readonly lines: (Line | undefined)[] = []
  readonly #broker = new Map<string, Set<Line>>()
  readonly #hosts: { unsubscribe(): void }[]

  constructor(offsets: readonly number[]) {
    const { scheduler } = this
    this.#hosts = offsets.map((offset, index) =>
      sharedBus$({
        connection$: this.#connection$(index),
        hubKey: 'hub',
        processId: `process-${index}`,
        logger: silent,
        scheduler: { now: () => scheduler.now() + offset, schedule: scheduler.schedule.bind(scheduler) },
      }).subscribe(bus => (this.buses[index] = bus)),
    )
  }

  #connection$(index: number): Observable<BusConnection> {
    return new Observable(subscriber => {
      const line = new Line(this.#broker, error => subscriber.error(error))
      this.lines[index] = line
      subscriber.next(line.connection())
      return () => {
        this.lines[index] = undefined
        line.cut()
      }
    })
  }

  step(index: number, direction: 'toBroker' | 'toProcess'): boolean {
    const move = this.lines[index]?.[direction].shift()
    move?.()
    return move !== undefined
  }

  /** Until nothing moves and nobody waits. */
  async rest(): Promise<void> {
    for (let quiet = 0; quiet < 3;) {
      let moved = false
      for (const index of this.lines.keys()) {
        while (this.step(index, 'toBroker')) moved = true
        while (this.step(index, 'toProcess')) moved = true
      }
      await settled()
      if (moved) quiet = 0
      else {
        await pass(this.scheduler, 3_000)
        quiet += 1
      }
    }
  }

  close(): void {
    for (const host of this.#hosts) host.unsubscribe()
  }
}

type Move =
  | { readonly type: 'enter' | 'leave' | 'cut' | 'toBroker' | 'toProcess'; readonly index: number }
  | { readonly type: 'pass'; readonly index: number }

const move: fc.Arbitrary<Move> = fc.record({
  type: fc.oneof(
    { weight: 4, arbitrary: fc.constant('enter' as const) },
    { weight: 1, arbitrary: fc.constant('leave' as const) },
    { weight: 1, arbitrary: fc.constant('cut' as const) },
    { weight: 1, arbitrary: fc.constant('pass' as const) },
    { weight: 8, arbitrary: fc.constant('toBroker' as const) },
    { weight: 8, arbitrary: fc.constant('toProcess' as const) },
  ),
  index: fc.nat(2),
})

/** Plays the moves on one key and returns the sessions that stand in the end, with how many began and ended. */
async function play(offsets: readonly number[], moves: readonly Move[]) {
  const cluster = new Cluster(offsets)
  await cluster.rest()
  const sessions: { session: ReturnType<typeof fakeSession>; index: number; left: boolean }[] = []
  for (const { type, index } of moves) {
    const bus = cluster.buses[index] as HubBus
    const standing = sessions.findLast(entry => entry.index === index && !entry.left && entry.session.replaced === 0)
    if (type === 'enter') {
      const session = fakeSession()
      sessions.push({ session, index, left: false })
      void bus.enter('key', session)
    } else if (type === 'leave' && standing !== undefined) {
      standing.left = true
      bus.leave('key', standing.session)
    } else if (type === 'cut') cluster.lines[index]?.fail(new Error('cut'))
    else if (type === 'pass') await pass(cluster.scheduler, 700)
    else if (type !== 'leave') cluster.step(index, type)
    await settled()
  }
  await cluster.rest()
  const deliveries = cluster.buses.map(bus => bus.deliver('key', 'signal', {}))
  await cluster.rest()
  const outcomes = await Promise.all(deliveries)
  cluster.close()
  return { sessions, standing: sessions.filter(entry => !entry.left && entry.session.replaced === 0), outcomes }
}

describe('sharedBus$', () => {
  it('leaves exactly one session of a key, whatever crosses on the way, is cut off, or has a wrong clock', async () => {
    const offsets = fc.tuple(fc.nat(5_000), fc.nat(5_000), fc.nat(5_000))
    await fc.assert(
      fc.asyncProperty(offsets, fc.array(move, { maxLength: 40 }), async (clocks, moves) => {
        const { sessions, standing, outcomes } = await play(clocks, moves)
        const least = sessions.length > 0 && sessions.every(({ left }) => !left) ? 1 : 0
        expect(standing.length).toBeLessThanOrEqual(1)
        expect(standing.length).toBeGreaterThanOrEqual(least)
        expect(sessions.every(({ session }) => session.replaced <= 1)).toBe(true)
        expect(new Set(outcomes)).toEqual(new Set([standing.length === 1 ? 'delivered' : 'offline']))
      }),
      { numRuns: 5_000 },
    )
  })

  it.each([
    ['an answer to an outage', [0, 0, 0]],
    ['one by a clock that is ahead', [0, 5_000, 0]],
    ['one by a clock that is behind', [5_000, 0, 0]],
  ])('leaves one session where a new claim crosses an old one: %s', async (_name, clocks) => {
    const moves: readonly Move[] = [
      { type: 'enter', index: 1 },
      { type: 'enter', index: 0 },
      { type: 'cut', index: 1 },
      { type: 'pass', index: 0 },
      { type: 'pass', index: 0 },
    ]
    const { standing, outcomes } = await play(clocks, moves)
    expect(standing).toHaveLength(1)
    expect(new Set(outcomes)).toEqual(new Set(['delivered']))
  })

  it('lets the newer session stay, although the clock of the older one is ahead', async () => {
    const enter = (index: number): readonly Move[] => [
      { type: 'enter', index },
      ...Array.from({ length: 4 }, (): readonly Move[] =>
        [0, 1].flatMap((each): Move[] => [
          { type: 'toBroker', index: each },
          { type: 'toProcess', index: each },
        ]),
      ).flat(),
    ]
    const { standing, sessions } = await play([5_000, 0], [...enter(0), ...enter(1)])
    expect(standing).toEqual([sessions[1]])
  })

  it('gives up after ten seconds when there is nobody to connect to, and says why', async () => {
    const scheduler = new VirtualTimeScheduler()
    let attempts = 0
    const connection$ = new Observable<never>(subscriber => {
      attempts += 1
      subscriber.error(new Error('connection refused'))
    })
    const errors: unknown[] = []
    sharedBus$({ connection$, hubKey: 'hub', processId: 'p', logger: silent, scheduler }).subscribe({
      error: error => errors.push(error),
    })
    await pass(scheduler, 9_999)
    expect([attempts, errors]).toEqual([10, []])
    await pass(scheduler, 1)
    expect(errors).toMatchObject([{ code: 'store-failed', message: expect.stringContaining('connection refused') }])
    await pass(scheduler, 5_000)
    expect(attempts).toBeLessThanOrEqual(11)
  })

  it('answers what nobody answers with offline after two seconds, and check with an error', async () => {
    const cluster = new Cluster([0, 0])
    await cluster.rest()
    const [here] = cluster.buses as [HubBus]
    const outcomes: unknown[] = []
    void here.deliver('key', 'signal', {}).then(outcome => outcomes.push(outcome))
    here.check().catch(({ code }) => outcomes.push(code))
    await pass(cluster.scheduler, 1_999)
    expect(outcomes).toEqual([])
    await pass(cluster.scheduler, 1)
    expect(outcomes).toEqual(['offline', 'store-failed'])
    expect(here.state).toEqual({ isConnected: true, pending: 0, congested: 0, timedOut: 1 })
    cluster.close()
    expect(here.state.isConnected).toBe(false)
  })

  it('answers everything that waits when the connection is lost', async () => {
    const cluster = new Cluster([0, 0])
    await cluster.rest()
    const [here, there] = cluster.buses as [HubBus, HubBus]
    void there.enter('key', fakeSession())
    await cluster.rest()
    const waiting = [here.deliver('key', 'signal', {}), here.isSignedIn('key')]
    cluster.step(0, 'toBroker')
    cluster.step(0, 'toProcess')
    cluster.lines[0]?.fail(new Error('cut'))
    expect(await Promise.all(waiting)).toEqual(['offline', false])
    cluster.close()
  })

  it('holds 10,000 questions and refuses more', async () => {
    const cluster = new Cluster([0])
    await cluster.rest()
    const [here] = cluster.buses as [HubBus]
    const asked = Array.from({ length: 10_001 }, () => here.deliver('key', 'signal', {}))
    expect(await asked.at(-1)).toBe('congested')
    expect(here.state).toMatchObject({ pending: 10_000, congested: 1 })
    await cluster.rest()
    expect(new Set(await Promise.all(asked.slice(0, -1)))).toEqual(new Set(['offline']))
    cluster.close()
  })

  it.each([
    ['never', NEVER],
    ['empty', EMPTY],
    ['an error', throwError(() => new Error('refused'))],
  ])('lets go of %s when it is unsubscribed', async (_name, connection$) => {
    const scheduler = new VirtualTimeScheduler()
    const seen: unknown[] = []
    const subscription = sharedBus$({ connection$, hubKey: 'h', processId: 'p', logger: silent, scheduler }).subscribe({
      next: bus => seen.push(bus),
      error: error => seen.push(error),
    })
    subscription.unsubscribe()
    await pass(scheduler, 20_000)
    expect(seen).toEqual([])
  })
})
