import type { AddressBuckets } from './address-buckets.js'
import type { TokenBuckets } from './token-buckets.js'

/** Who asks: a key that has signed in, and where it comes from. */
export interface Party {
  readonly pubKey: string
  readonly address: string
}

/**
 * A limit on what keys do, with another one on all keys of an address together: keys cost nothing where everybody may
 * register, addresses do.
 */
export class PartyLimits {
  constructor(
    private readonly byKey: Pick<TokenBuckets, 'take'>,
    private readonly byAddress: Pick<AddressBuckets, 'take'>,
  ) {}

  /** Which of the two is met; undefined when neither is. A key beyond its own limit costs its neighbours nothing. */
  refusal({ pubKey, address }: Party, nowMs: number): 'key' | 'address' | undefined {
    if (!this.byKey.take(pubKey, nowMs)) return 'key'
    return this.byAddress.take(address, nowMs) ? undefined : 'address'
  }
}
