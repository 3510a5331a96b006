import type { LimitName, RateLimiter, RateLimiters } from '../../ports/limits.js'
import { isLoopback } from '../../protocol/limits/by-origin.js'
import type { HubLimits, HubRateLimits } from '../../protocol/limits/limit-options.js'
import type { RateLimit } from '../../protocol/limits/rate-limit.js'
import { targetRateLimiter } from './target-rate-limiter.js'

/** Who asks: a key that has signed in, and where it comes from. */
export interface Party {
  readonly pubKey: string
  readonly address: string
}

/**
 * The rate limits of a hub. Where anybody may register, keys are free and addresses are not, so offers and receipts are limited by both.
 * What a key sends beyond its own limit does not count against its address.
 */
export interface HubLimiters {
  /** By address. */
  readonly handshakes: Pick<RateLimiter, 'take'>
  readonly registrationsByAddress: Pick<RateLimiter, 'take'>
  readonly lookups: Pick<RateLimiter, 'take'>
  /** By key. */
  readonly registrations: Pick<RateLimiter, 'take'>
  readonly logins: Pick<RateLimiter, 'take'>
  readonly signals: Pick<RateLimiter, 'take'>
  /** The limit that an offer to this key exceeds; undefined when there is none. */
  offer(party: Party, to: string): Promise<LimitName | undefined>
  receipt(party: Party): Promise<LimitName | undefined>
}

/** `keyOf` maps an address to what it is counted under. */
export function hubLimiters(
  limiters: RateLimiters,
  { others, loopback }: HubLimits,
  keyOf: (address: string) => string,
): HubLimiters {
  const aMinute = (count: number): RateLimit => ({ burst: count, perSecond: count / 60 })
  /** Loopback addresses have a rate of their own. */
  const byAddress = (
    name: LimitName,
    rateOf: (limits: Required<HubRateLimits>) => RateLimit,
  ): Pick<RateLimiter, 'take'> => {
    const [ofOthers, ofLoopback] = [limiters(name, rateOf(others)), limiters(`${name}-loopback`, rateOf(loopback))]
    return { take: address => (isLoopback(address) ? ofLoopback : ofOthers).take(keyOf(address)) }
  }
  const offers = limiters('offers', { burst: others.offerBurst, perSecond: others.offersPerMinute / 60 })
  const offersByAddress = byAddress('offers-by-address', limits => ({
    burst: limits.offerBurstPerAddress,
    perSecond: limits.offersPerMinutePerAddress / 60,
  }))
  const offersByTarget = targetRateLimiter(limiters, {
    burst: others.offerBurstPerTarget,
    perSecond: others.offersPerMinutePerTarget / 60,
  })
  const receipts = limiters('receipts', { burst: others.receiptBurst, perSecond: others.receiptsPerSecond })
  const receiptsByAddress = byAddress('receipts-by-address', limits => ({
    burst: limits.receiptBurstPerAddress,
    perSecond: limits.receiptsPerSecondPerAddress,
  }))
  return {
    handshakes: byAddress('handshakes', limits => aMinute(limits.handshakesPerMinute)),
    registrationsByAddress: byAddress('registrations', limits => aMinute(limits.registrationsPerMinute)),
    lookups: byAddress('lookups', limits => aMinute(limits.lookupsPerMinute)),
    registrations: limiters('registrations-by-key', aMinute(others.registrationsPerMinutePerKey)),
    logins: limiters('logins', aMinute(others.loginsPerMinute)),
    signals: limiters('signals', { burst: others.signalBurst, perSecond: others.signalsPerSecond }),
    async offer({ pubKey, address }, to) {
      // By key first: offers refused there do not count against their target.
      if (!(await offers.take(pubKey)).allowed) return 'offers'
      if (!(await offersByAddress.take(address)).allowed) return 'offers-by-address'
      return (await offersByTarget.take(pubKey, to)) ? undefined : 'offers-by-target'
    },
    async receipt({ pubKey, address }) {
      if (!(await receipts.take(pubKey)).allowed) return 'receipts'
      return (await receiptsByAddress.take(address)).allowed ? undefined : 'receipts-by-address'
    },
  }
}
