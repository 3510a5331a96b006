import type { RateLimiter } from '../../ports/limits.js'

/** Who asks: a key that has signed in, and where it comes from. */
export interface Party {
  readonly pubKey: string
  readonly address: string
}

/** A rate limit on what keys do, with another one on all keys of an address together. */
export interface PartyRateLimiter {
  /** Which of the two is met; undefined when neither is. A key beyond its own limit costs its neighbours nothing. */
  refusal(party: Party): Promise<'key' | 'address' | undefined>
}

/** Keys cost nothing where everybody may register, addresses do: so both are limited. */
export function partyRateLimiter(
  byKey: Pick<RateLimiter, 'take'>,
  byAddress: Pick<RateLimiter, 'take'>,
): PartyRateLimiter {
  return {
    async refusal({ pubKey, address }) {
      if (!(await byKey.take(pubKey)).allowed) return 'key'
      return (await byAddress.take(address)).allowed ? undefined : 'address'
    },
  }
}
