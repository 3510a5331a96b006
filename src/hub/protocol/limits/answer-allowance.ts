import { setBounded } from '../../../protocol/bounded-map.js'

/** An answer, at most forty candidates that the other side looks at, and a farewell, with some to spare. */
const signalsPerOffer = 64

/** Offers remembered, far more than a peer answers at once; beyond that the oldest is forgotten. */
const maxOffers = 1_000

interface Allowance {
  readonly from: string
  readonly left: number
}

function members(message: unknown): Record<string, unknown> {
  return typeof message === 'object' && message !== null ? (message as Record<string, unknown>) : {}
}

/**
 * What a peer may say in reply to offers that it got, apart from what it may say of its own accord: who is flooded with offers
 * answers them, and could make none itself if the answers counted the same.
 */
export class AnswerAllowance {
  readonly #offers = new Map<string, Allowance>()

  /** An offer was delivered to the peer. */
  offered(offer: object): void {
    const { session, from } = members(offer)
    if (typeof session !== 'string' || typeof from !== 'string' || this.#offers.has(session)) return
    setBounded(this.#offers, session, { from, left: signalsPerOffer }, maxOffers)
  }

  /** Whether this is a reply that such an offer allows, of which 64 are. Looks at what was not checked yet. */
  take(message: unknown): boolean {
    const { type, session, to } = members(message)
    const allowance = typeof session === 'string' && type !== 'offer' ? this.#offers.get(session) : undefined
    if (allowance === undefined || allowance.from !== to || allowance.left === 0) return false
    setBounded(this.#offers, session as string, { ...allowance, left: allowance.left - 1 }, maxOffers)
    return true
  }
}
