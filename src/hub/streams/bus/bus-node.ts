import { defer, filter, finalize, merge, type Observable, type SchedulerLike, tap } from 'rxjs'
import { LighthouseError } from '../../../protocol/errors.js'
import { type BusContent, channelNames, parseBusContent } from '../../protocol/bus/bus-messages.js'
import { type Claim, type HeardClaim, type Holding, judgeClaim } from '../../protocol/bus/claims.js'
import type { BusConnection, BusEvent, BusMessage, BusSession, BusState, Delivery, HubBus } from '../../ports/bus.js'
import { PendingAnswers } from './pending-answers.js'
import { within } from './within.js'

/** A login goes on without the other processes then; what it missed to say, it says on the next connection. */
const claimTimeoutMs = 2_000

/** How long a question about the connection may take. */
const checkTimeoutMs = 2_000

interface Held extends Holding {
  readonly holder: BusSession
}

/** One process's side of a bus that several share, over whatever connection there is at the time. */
export class BusNode implements HubBus {
  readonly #held = new Map<string, Held>()
  readonly #names: ReturnType<typeof channelNames>
  readonly #answers: PendingAnswers
  #connection: BusConnection | undefined
  #sessions = 0

  constructor(
    private readonly process: string,
    hubKey: string,
    private readonly scheduler: SchedulerLike,
  ) {
    this.#names = channelNames(hubKey)
    this.#answers = new PendingAnswers(scheduler)
  }

  get size(): number {
    return this.#held.size
  }

  get state(): BusState {
    const { pending, congested, timedOut } = this.#answers
    return { isConnected: this.#connection !== undefined, pending, congested, timedOut }
  }

  async enter(pubKey: string, holder: BusSession): Promise<void> {
    const older = this.#held.get(pubKey)
    this.#sessions += 1
    const session = this.#sessions
    const [process, sinceMs, connection] = [this.process, this.scheduler.now(), this.#connection]
    this.#held.set(pubKey, { holder, process, session, sinceMs, settled: connection === undefined })
    older?.holder.replace()
    if (connection !== undefined) await within(claimTimeoutMs, this.#claim(connection, pubKey, session), this.scheduler)
  }

  leave(pubKey: string, holder: BusSession): void {
    if (this.#held.get(pubKey)?.holder === holder) this.#forget(pubKey)
  }

  deliver(pubKey: string, event: BusEvent, body: object): Promise<Delivery> {
    const outcome = this.#hand(pubKey, event, body)
    return outcome === 'offline'
      ? this.#ask(pubKey, id => ({ type: 'deliver', process: this.process, id, event, body }))
      : Promise.resolve(outcome)
  }

  async isSignedIn(pubKey: string): Promise<boolean> {
    if (this.#held.has(pubKey)) return true
    const outcome = await this.#ask(pubKey, id => ({ type: 'probe', process: this.process, id }))
    return outcome !== 'offline'
  }

  async check(): Promise<void> {
    const connection = this.#connection
    if (connection === undefined || !(await within(checkTimeoutMs, connection.check(), this.scheduler))) {
      throw new LighthouseError('store-failed', 'Redis cannot be reached. Check that it runs and its address.')
    }
  }

  /** Goes by this connection until it is unsubscribed. Emits once, when everything that is held here was announced. */
  serve$(connection: BusConnection): Observable<void> {
    const heard$ = connection.message$.pipe(
      tap(message => this.#hear(message)),
      filter((_message): _message is never => false),
    )
    const announced$ = defer(() => {
      this.#connection = connection
      return this.#announce(connection)
    })
    return merge(heard$, announced$).pipe(
      finalize(() => {
        this.#connection = undefined
        this.#answers.giveUp()
      }),
    )
  }

  /** Claims may have been missed while there was no connection, so all sessions are claimed again, by their age. */
  async #announce(connection: BusConnection): Promise<void> {
    const all = [...this.#held]
    for (const [pubKey, held] of all) this.#held.set(pubKey, { ...held, settled: false })
    const channels = all.map(([pubKey]) => this.#names.ofKey(pubKey))
    await connection.subscribe([this.#names.ofProcess(this.process), ...channels])
    // One claim each: who came in meanwhile makes its own.
    const claims = all
      .filter(([pubKey, { session }]) => this.#held.get(pubKey)?.session === session)
      .map(([pubKey, held]) => connection.publish(this.#names.ofKey(pubKey), text(claimOf(held, null))))
    await Promise.all(claims)
  }

  /** Resolves when every process that held an older session has let go of it. Rejects with the connection. */
  async #claim(connection: BusConnection, pubKey: string, session: number): Promise<void> {
    await connection.subscribe([this.#names.ofKey(pubKey)])
    const mine = this.#held.get(pubKey)
    // On another connection it was claimed already, with all that is held.
    if (mine?.session !== session || this.#connection !== connection) return
    const outcome = await this.#ask(pubKey, id => claimOf(mine, id))
    // Nobody is asked then, but told: a claim that is not made leaves two sessions.
    if (outcome === 'congested') await connection.publish(this.#names.ofKey(pubKey), text(claimOf(mine, null)))
  }

  #hand(pubKey: string, event: BusEvent, body: object): Delivery {
    const held = this.#held.get(pubKey)
    if (held === undefined) return 'offline'
    return held.holder.send(event, body) ? 'delivered' : 'congested'
  }

  #ask(pubKey: string, question: (id: number) => BusContent): Promise<Delivery> {
    const connection = this.#connection
    if (connection === undefined) return Promise.resolve('offline')
    return this.#answers.ask(id => {
      const content = text(question(id))
      return { size: content.length, send: () => connection.publish(this.#names.ofKey(pubKey), content) }
    })
  }

  #hear({ channel, text: heard }: BusMessage): void {
    const content = parseBusContent(heard)
    if (content === undefined) return
    if (content.type === 'outcome') return this.#answers.answer(content.id, content.outcome)
    const pubKey = this.#names.keyOf(channel)
    if (pubKey === undefined) return
    const outcome = this.#outcome(pubKey, content)
    const { process, id } = content
    if (id !== null) this.#tell(this.#names.ofProcess(process), { type: 'outcome', id, outcome })
  }

  #outcome(pubKey: string, content: Exclude<BusContent, { readonly type: 'outcome' }>): Delivery {
    switch (content.type) {
      case 'claim':
        this.#judge(pubKey, { ...content, fresh: content.id !== null })
        return 'offline'
      case 'probe':
        return this.#held.has(pubKey) ? 'delivered' : 'offline'
      case 'deliver':
        return this.#hand(pubKey, content.event, content.body)
    }
  }

  #judge(pubKey: string, theirs: HeardClaim): void {
    const mine = this.#held.get(pubKey)
    if (mine === undefined) return
    switch (judgeClaim(mine, theirs)) {
      case 'settle':
        this.#held.set(pubKey, { ...mine, settled: true })
        break
      case 'yield':
        this.#forget(pubKey)
        mine.holder.replace()
        break
      case 'answer':
        this.#held.set(pubKey, { ...mine, settled: false })
        this.#tell(this.#names.ofKey(pubKey), claimOf(mine, null))
        break
      case 'ignore':
    }
  }

  #tell(channel: string, content: BusContent): void {
    // Fails with the connection: whoever asked takes silence for an answer, and claims are made again on the next one.
    this.#connection?.publish(channel, text(content)).catch(() => undefined)
  }

  #forget(pubKey: string): void {
    this.#held.delete(pubKey)
    // Fails with the connection, and the subscription with it.
    this.#connection?.unsubscribe(this.#names.ofKey(pubKey)).catch(() => undefined)
  }
}

function text(content: BusContent): string {
  return JSON.stringify(content)
}

function claimOf({ process, session, sinceMs }: Claim, id: number | null): BusContent {
  return { type: 'claim', process, session, sinceMs, id }
}
