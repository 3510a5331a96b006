import type { Observer } from 'rxjs'
import type { SeederStore } from '../../ports/receipts.js'
import { setBounded } from '../../protocol/bounded-map.js'
import { bytesPerCoin, formatCoins } from '../../protocol/coins/amount.js'
import {
  announce,
  createCredit,
  type Credit,
  fade,
  fadePaid,
  forgive,
  limitOf,
  settled,
} from '../../protocol/coins/credit.js'
import type { PaymentEvent } from './payment-event.js'

/** How long a key is turned away, with the reason in words, that has just been given up as unpaid. */
const turnedAwayMs = 60_000

/** Keys that are turned away at a time; beyond, the oldest may come again sooner, and gets nothing all the same. */
const maxTurnedAway = 1_000

export interface CreditsOptions {
  readonly store: SeederStore
  /** Receives `credit` when what a key may be sent has grown. */
  readonly event$: Observer<PaymentEvent>
  readonly clock: { now(): number }
}

/**
 * The credit of every key: in memory while a session with it lasts, and in the store. Debt belongs to the key and outlives
 * connection and process. All methods throw `store-failed`.
 */
export class Credits {
  readonly #live = new Map<string, Credit>()
  #isHubAway = false
  /** Until when, by key. */
  readonly #turnedAway = new Map<string, number>()

  constructor(private readonly options: CreditsOptions) {}

  of(consumer: string): Credit {
    const { store, clock } = this.options
    return fade(this.#live.get(consumer) ?? createCredit(store.account(consumer)), clock.now())
  }

  /** Payload bytes that this session may have sent in all: 0 where it is not live. Asked for whenever something is sent. */
  limitOf(consumer: string, session: string): number {
    const credit = this.#live.get(consumer)
    return credit === undefined ? 0 : limitOf(credit, session, this.#isHubAway)
  }

  /** Takes a step. What it announces is on disk before any of it is sent. */
  update(consumer: string, step: (credit: Credit) => Credit): void {
    const { store, event$ } = this.options
    const before = this.of(consumer)
    const credit = step(before)
    // Before the store is written, which may fail: what was sent is a debt all the same.
    this.#keep(consumer, credit)
    const next = announce(credit, this.#isHubAway)
    const isAnnounced = next.announcedBytes !== credit.announcedBytes
    // From the end of its sessions on its debt fades.
    const isOver = before.sessions.size > 0 && next.sessions.size === 0
    try {
      if (!isAnnounced && !isOver) return
      store.serve(consumer, next.announcedBytes, next.debtSinceMs)
      this.#keep(consumer, next)
    } finally {
      // A key that has paid has paid, even where the store could not be written.
      const { paidBytes } = credit
      const isPromised = this.#isHubAway && credit.promisedBytes > before.promisedBytes
      if (isAnnounced || isPromised || paidBytes > before.paidBytes)
        event$.next({ type: 'credit', consumer, paidBytes })
    }
  }

  /** Whether the hub is away: then receipts count that are here and not settled. */
  hubAway(isAway: boolean): void {
    this.#isHubAway = isAway
    for (const [consumer, { paidBytes }] of this.#live) {
      this.update(consumer, credit => credit)
      if (isAway) this.options.event$.next({ type: 'credit', consumer, paidBytes })
    }
  }

  /** A session with this key begins, or a receipt of it was kept: the store says what its receipts come to. */
  promised(consumer: string, hubKey: string): void {
    const promisedBytes = this.options.store.unsettledBytes(consumer, hubKey)
    this.update(consumer, credit => ({ ...credit, promisedBytes }))
  }

  /** The hub will not settle a receipt of this key: its receipts are worth nothing more until one is settled. */
  doubt(consumer: string): void {
    this.options.store.doubt(consumer)
    this.update(consumer, credit => ({ ...credit, balanceBytes: 0 }))
  }

  /** The hub settled so much more of a session with this key, and the store knows. */
  settled(consumer: string, session: string, bytes: number): void {
    this.#turnedAway.delete(consumer)
    if (!this.#live.has(consumer)) return this.update(consumer, credit => fadePaid(credit, bytes))
    this.update(consumer, credit => settled(credit, session, bytes))
    const { balanceBytes } = this.options.store.account(consumer)
    this.update(consumer, credit => ({ ...credit, balanceBytes }))
  }

  /** Asks nothing more for what this key owes. Returns how many bytes that was. */
  forgive(consumer: string): number {
    const credit = this.of(consumer)
    const forgiven = forgive(credit)
    const bytes = credit.servedBytes - forgiven.servedBytes
    if (bytes > 0) this.options.store.serve(consumer, forgiven.servedBytes, forgiven.debtSinceMs)
    this.#turnedAway.delete(consumer)
    this.update(consumer, () => forgiven)
    return bytes
  }

  /** Whether this key has ever paid for a coin's worth of what it was sent. */
  hasPaid(consumer: string): boolean {
    return this.of(consumer).paidBytes >= bytesPerCoin
  }

  /** Gives this key up as unpaid: it is turned away for a minute, or until it pays. Later it may try again, and pay then. */
  turnAway(consumer: string): void {
    setBounded(this.#turnedAway, consumer, this.options.clock.now() + turnedAwayMs, maxTurnedAway)
  }

  /** Why this key gets no connection now, in words for its owner, who sees nothing but a transfer that stops otherwise. */
  refusal(consumer: string): string | undefined {
    if ((this.#turnedAway.get(consumer) ?? 0) <= this.options.clock.now()) return undefined
    const { servedBytes, paidBytes } = this.of(consumer)
    return (
      `${formatCoins(servedBytes - paidBytes)} coins are owed here for what was sent to you and not paid, what was under ` +
      'way when a connection broke included; there is more when they are paid, when the owner forgives them, or in some ' +
      'days: a coin a day is forgotten'
    )
  }

  #keep(consumer: string, credit: Credit): void {
    if (credit.sessions.size === 0) this.#live.delete(consumer)
    else this.#live.set(consumer, credit)
  }
}
