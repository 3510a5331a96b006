import { type SchedulerLike, Subscription } from 'rxjs'
import type { Delivery } from '../../ports/bus.js'

/** Another process answers within milliseconds; one that takes longer than this is as good as gone. */
const answerTimeoutMs = 2_000

/** Characters of questions that wait for the carrier: 256 of the largest signals. */
const maxPendingChars = 16_777_216

/** Questions that wait for an answer. When each takes a millisecond, ten wait at 10,000 a second. */
const maxQuestions = 10_000

/** A question that can be asked: its size, and the way to ask, which resolves to how many heard it. */
export interface Question {
  readonly size: number
  send(): Promise<number>
}

interface Pending {
  answer(outcome: Delivery): void
  settle(outcome: Delivery): void
}

/** Questions to other processes that wait for an answer, each for 2 s. */
export class PendingAnswers {
  readonly #pending = new Map<number, Pending>()
  #questions = 0
  #chars = 0
  #congested = 0
  #timedOut = 0

  constructor(private readonly scheduler: SchedulerLike) {}

  /** Questions that wait now. */
  get pending(): number {
    return this.#pending.size
  }

  /** Questions that were not asked, since too much was waiting. */
  get congested(): number {
    return this.#congested
  }

  /** Questions that were not answered in time. */
  get timedOut(): number {
    return this.#timedOut
  }

  /**
   * Asks, and resolves to the first answer that is not `offline`; to `offline` when nobody heard it, all who did say so,
   * it could not be sent or none answered in time; to `congested`, without asking, when too much is waiting.
   */
  ask(prepare: (id: number) => Question): Promise<Delivery> {
    this.#questions += 1
    const id = this.#questions
    const { size, send } = prepare(id)
    if (this.#chars + size > maxPendingChars || this.#pending.size >= maxQuestions) {
      this.#congested += 1
      return Promise.resolve('congested')
    }
    this.#chars += size
    return new Promise(resolve => {
      const timer = new Subscription()
      let [heard, offline] = [Infinity, 0]
      const settle = (outcome: Delivery): void => {
        timer.unsubscribe()
        this.#pending.delete(id)
        resolve(outcome)
      }
      this.#pending.set(id, {
        settle,
        answer: outcome => {
          if (outcome === 'offline') offline += 1
          if (outcome !== 'offline' || offline >= heard) settle(outcome)
        },
      })
      const giveUp = (): void => {
        this.#timedOut += 1
        settle('offline')
      }
      timer.add(this.scheduler.schedule(giveUp, answerTimeoutMs))
      const sent = (count: number): void => {
        // Only now: what the carrier has not taken is held by its client, whether or not somebody waits for an answer.
        this.#chars -= size
        heard = count
        if (offline >= heard) settle('offline')
      }
      send().then(sent, () => sent(0))
    })
  }

  /** The answer to a question; too late or unknown ones are ignored. */
  answer(id: number, outcome: Delivery): void {
    this.#pending.get(id)?.answer(outcome)
  }

  /** Answers everything that waits with `offline`: no answer can come any more. */
  giveUp(): void {
    for (const { settle } of this.#pending.values()) settle('offline')
  }
}
