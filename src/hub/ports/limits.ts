import type { RateLimit } from '../protocol/limits/rate-limit.js'

/** What is limited by address or by key. */
export type LimitName =
  | 'registrations'
  | 'registrations-by-key'
  | 'lookups'
  | 'downloads'
  | 'connections'
  | 'handshakes'
  | 'sockets'
  | 'logins'
  | 'signals'
  | 'offers'
  | 'offers-by-address'
  | 'offers-by-target'
  | 'receipts'
  | 'receipts-by-address'
  /** Too much waits: of a peer's signals for the store, of all receipts to be settled, of what somebody else reads. */
  | 'waiting-signals'
  | 'pending-receipts'
  | 'congested-readers'

/** What a rate limiter says of one more time. */
export interface Taken {
  readonly allowed: boolean
  /** Times in this window, this one included, and refused ones. */
  readonly used: number
  /** Milliseconds until the window ends. */
  readonly resetMs: number
}

/** Counts what keys do. A limit belongs to the key, so that connecting again gains nothing. */
export interface RateLimiter {
  /** Never rejects for want of what counts: it is counted in this process then. */
  take(key: string): Promise<Taken>
  /** It was not done after all. */
  giveBack(key: string): Promise<void>
}

/** Makes rate limiters. Those of one name share their counts, over all processes of the hub that share a Redis. */
export type RateLimiters = (name: string, rate: RateLimit) => RateLimiter
