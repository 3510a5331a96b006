import { defer, exhaustMap, finalize, firstValueFrom, Observable, of, type SchedulerLike } from 'rxjs'
import { type Subscriber, switchMap, timeout, timer } from 'rxjs'
import { wrapError } from '../../../protocol/errors.js'
import type { BusEvent, BusSession, BusState, Delivery, HubBus } from '../../ports/bus.js'
import type { RedisClient } from '../redis/redis-client.js'
import { type BusAnswer, type BusQuestion, parseBusMessage } from './bus-message.js'
import { askScript, leaseScript, releaseScript } from './lease-scripts.js'

/** Another process answers within milliseconds; one that takes longer than this counts as offline. */
const answerTimeoutMs = 2_000

/** A lease lasts two minutes, so three renewals may be missed; leases of a killed process expire. */
const renewIntervalMs = 30_000

/** Most unanswered questions, and most characters of questions not yet sent to Redis: 256 of the largest signals. */
const maxQuestions = 10_000
const maxWaitingChars = 16_777_216

/** A session of this process. */
interface Held {
  readonly pubKey: string
  /** Unique over all processes. */
  readonly name: string
  readonly session: BusSession
  /** Of two sessions with the same key, the one with the higher number gets the lease. */
  sequence: number
}

/**
 * The sessions of one process and, while `serve$` is subscribed to, access to those of the other processes over Redis. The session
 * that signed in last holds the lease of its key, decided by a sequence number that Redis assigns. Each process subscribes to one
 * channel; a killed process has no subscription, so its peers are offline at once.
 */
export class SessionBus implements HubBus {
  readonly #held = new Map<string, Held>()
  readonly #asking = new Map<number, Subscriber<Delivery>>()
  readonly #space: string
  readonly #channels: string
  #client: RedisClient | undefined
  #numbers = 0
  #waitingChars = 0
  #congested = 0
  #timedOut = 0

  constructor(
    hubKey: string,
    private readonly process: string,
    private readonly scheduler: SchedulerLike,
    private readonly isAlone = false,
  ) {
    // 2 is the version of the leases and messages.
    this.#space = `lighthouse:2:${hubKey}`
    this.#channels = `${this.#space}:process:`
  }

  get size(): number {
    return this.#held.size
  }

  get state(): BusState {
    const isConnected = this.isAlone || this.#client !== undefined
    return { isConnected, pending: this.#asking.size, congested: this.#congested, timedOut: this.#timedOut }
  }

  async enter(pubKey: string, session: BusSession): Promise<void> {
    const older = this.#held.get(pubKey)
    // The clock orders sessions that begin without a connection. With one, Redis raises the number above all earlier ones.
    const sequence = Math.max(this.scheduler.now(), (older?.sequence ?? 0) + 1)
    const held: Held = { pubKey, name: `${this.process}:${(this.#numbers += 1)}`, session, sequence }
    this.#held.set(pubKey, held)
    older?.session.replace()
    await this.#ask((client, id) => this.#lease(client, held, 'take', id))
  }

  leave(pubKey: string, session: BusSession): void {
    const held = this.#held.get(pubKey)
    if (held?.session !== session) return
    this.#held.delete(pubKey)
    // Fails when the connection is lost; then the lease expires.
    if (this.#client !== undefined) this.#run(this.#client, releaseScript, pubKey, held.name).catch(() => undefined)
  }

  deliver(pubKey: string, event: BusEvent, body: object): Promise<Delivery> {
    return this.#pass({ pubKey, send: { event, body } })
  }

  async isSignedIn(pubKey: string): Promise<boolean> {
    return (await this.#pass({ pubKey })) !== 'offline'
  }

  async check(): Promise<void> {
    if (this.isAlone) return
    const ping$ = defer(async () => this.#client!.ping())
    await firstValueFrom(ping$.pipe(timeout({ first: answerTimeoutMs, scheduler: this.scheduler }))).catch(cause => {
      throw wrapError('store-failed', cause, 'Redis cannot be reached')
    })
  }

  /** Uses this client until unsubscribed. Emits each time all leases are renewed, which reveals sessions that were replaced meanwhile. */
  serve$(client: RedisClient): Observable<void> {
    return defer(() => client.subscribe(this.#channels + this.process, text => this.#receive(text))).pipe(
      switchMap(() => {
        this.#client = client
        return timer(0, renewIntervalMs, this.scheduler)
      }),
      exhaustMap(() => this.#renew(client)),
      finalize(() => {
        this.#client = undefined
        // No answer can come any more.
        for (const asking of this.#asking.values()) asking.next('offline')
      }),
    )
  }

  /** Asks the session of the key, on this process or another one. */
  async #pass(question: Pick<BusQuestion, 'pubKey' | 'send'>): Promise<Delivery> {
    if (this.#held.has(question.pubKey)) return this.#answer(question)
    if (this.#waitingChars > maxWaitingChars || this.#asking.size >= maxQuestions) {
      this.#congested += 1
      return 'congested'
    }
    return this.#ask(async (client, id) => {
      const text = JSON.stringify({ process: this.process, id, ...question } satisfies BusQuestion)
      this.#waitingChars += text.length
      try {
        return (await this.#run(client, askScript, question.pubKey, text)) as number
      } finally {
        // Not before: the client buffers what it has not sent, even after the question has timed out.
        this.#waitingChars -= text.length
      }
    })
  }

  #answer({ pubKey, replaced, send }: Omit<BusQuestion, 'process' | 'id'>): Delivery {
    const held = this.#held.get(pubKey)
    if (replaced !== undefined && held?.name === replaced) this.#replace(held)
    if (held === undefined || replaced !== undefined) return 'offline'
    return send === undefined || held.session.send(send.event, send.body) ? 'delivered' : 'congested'
  }

  #replace(held: Held): void {
    if (this.#held.get(held.pubKey) !== held) return
    this.#held.delete(held.pubKey)
    held.session.replace()
  }

  /** Resolves to the answer, or to `offline` when nobody receives the question, the connection is lost, or 2 s pass. */
  async #ask(send: (client: RedisClient, id: number) => Promise<number>): Promise<Delivery> {
    const client = this.#client
    if (client === undefined) return 'offline'
    const answer$ = new Observable<Delivery>(subscriber => {
      const id = (this.#numbers += 1)
      this.#asking.set(id, subscriber)
      const offline = (): void => subscriber.next('offline')
      send(client, id).then(asked => asked === 0 && offline(), offline)
      return () => this.#asking.delete(id)
    })
    const late = (): Observable<Delivery> => {
      this.#timedOut += 1
      return of('offline')
    }
    return firstValueFrom(answer$.pipe(timeout({ first: answerTimeoutMs, scheduler: this.scheduler, with: late })))
  }

  #receive(text: string): void {
    const message = parseBusMessage(text)
    if (message === undefined) return
    if ('outcome' in message) return this.#asking.get(message.id)?.next(message.outcome)
    const answer: BusAnswer = { id: message.id, outcome: this.#answer(message) }
    // Fails when the connection is lost; the other process then times out.
    this.#client?.publish(this.#channels + message.process, JSON.stringify(answer)).catch(() => undefined)
  }

  /** One at a time, so as not to block the event loop. */
  async #renew(client: RedisClient): Promise<void> {
    for (const held of this.#held.values()) await this.#lease(client, held, 'renew')
  }

  /** Resolves to how many processes were notified that their session was replaced: 0 or 1. */
  async #lease(client: RedisClient, held: Held, how: 'take' | 'renew', question = 0): Promise<number> {
    const values = [this.process, held.name, held.sequence, how, held.pubKey, question]
    const [leased, told] = (await this.#run(client, leaseScript, held.pubKey, ...values)) as [number, number]
    if (leased === 0) this.#replace(held)
    else held.sequence = leased
    return told
  }

  #run(client: RedisClient, script: string, pubKey: string, ...values: readonly (string | number)[]): Promise<unknown> {
    const keys = [`${this.#space}:lease:${pubKey}`]
    return client.eval(script, { keys, arguments: [this.#channels, ...values.map(String)] })
  }
}
