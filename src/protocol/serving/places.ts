/**
 * The places of a peer that serves: who gets one when there are fewer than offers. Plain data in, plain data out.
 */

/** A connection on which this peer serves, or which is being made. */
export interface Place {
  readonly session: string
  readonly pubKey: string
  readonly open: boolean
  /** Open streams. */
  readonly streams: number
  /** Whether the other side has fallen silent. */
  readonly silent: boolean
  /** Milliseconds of the caller's clock: when it began to be made, or its number of streams changed last. */
  readonly sinceMs: number
}

export interface PlaceLimits {
  /** Places in all, those being made included. */
  readonly total: number
  /** Of these, for keys that have not paid. The others are there for those that have. */
  readonly unpaid: number
  /** Being made at a time: each holds a WebRTC connection for up to 20 s. */
  readonly making: number
  readonly perKey: number
  readonly makingPerKey: number
  /** After so long a connection without streams, or an attempt, may have to go for a key that has no place. */
  readonly restMs: number
}

/** Whether there is a place, and which connection has to go for it. */
export type PlaceDecision =
  { readonly type: 'free' } | { readonly type: 'instead'; readonly session: string } | { readonly type: 'full' }

export interface PlaceRequest {
  /** Who makes an offer. */
  readonly pubKey: string
  readonly places: readonly Place[]
  readonly limits: PlaceLimits
  /** Whether a key has paid this peer. */
  readonly hasPaid: (pubKey: string) => boolean
  readonly nowMs: number
}

/** How long nothing has happened on it; 0 while it carries streams. */
function restedMs({ silent, streams, sinceMs }: Place, nowMs: number): number {
  if (silent) return Infinity
  return streams > 0 ? 0 : nowMs - sinceMs
}

function insteadOf(place: Place | undefined): PlaceDecision {
  return place === undefined ? { type: 'full' } : { type: 'instead', session: place.session }
}

function longestRested(places: readonly Place[], nowMs: number): Place | undefined {
  return places.toSorted((a, b) => restedMs(b, nowMs) - restedMs(a, nowMs) || a.sinceMs - b.sinceMs)[0]
}

/**
 * Decides on an offer.
 *
 * A key has few places, and its newest offer is what it wants: its own attempts, silent connections and idle ones go for it.
 * When places run out, one goes of a key that has at least two more; or, for a key that has none, one that has rested. Of
 * these it is one of a key that has not paid rather than of one that has, then of the key that has most, then the one that
 * has rested longest. An attempt of a key that has not paid also goes for one of a key that has.
 */
export function placeFor({ pubKey, places, limits, hasPaid, nowMs }: PlaceRequest): PlaceDecision {
  const own = places.filter(place => place.pubKey === pubKey)
  const ownAttempts = own.filter(({ open }) => !open)
  if (ownAttempts.length >= limits.makingPerKey) return insteadOf(longestRested(ownAttempts, nowMs))
  if (own.length >= limits.perKey) {
    return insteadOf(
      longestRested(
        own.filter(place => restedMs(place, nowMs) > 0 || !place.open),
        nowMs,
      ),
    )
  }

  const paid = new Map([pubKey, ...places.map(place => place.pubKey)].map(key => [key, hasPaid(key)]))
  const unpaid = places.filter(place => !paid.get(place.pubKey))
  const attempts = places.filter(({ open }) => !open)
  const isPaying = paid.get(pubKey) === true
  const isMakingFull = attempts.length >= limits.making
  const isUnpaidFull = !isPaying && unpaid.length >= limits.unpaid
  if (!isMakingFull && !isUnpaidFull && places.length < limits.total) return { type: 'free' }

  const crowd = isMakingFull ? attempts : places
  const pool = isUnpaidFull ? crowd.filter(place => unpaid.includes(place)) : crowd
  const counts = new Map<string, number>()
  for (const place of pool) counts.set(place.pubKey, (counts.get(place.pubKey) ?? 0) + 1)
  const countOf = (key: string): number => counts.get(key) ?? 0
  const mayGo = (place: Place): boolean =>
    countOf(place.pubKey) >= countOf(pubKey) + 2 ||
    (own.length === 0 && restedMs(place, nowMs) >= limits.restMs) ||
    (isMakingFull && isPaying && !paid.get(place.pubKey))
  const candidates = pool.filter(place => place.pubKey !== pubKey && mayGo(place))
  const isUnpaid = ({ pubKey: key }: Place): boolean => !paid.get(key)
  const first = candidates.some(isUnpaid) ? candidates.filter(isUnpaid) : candidates
  const most = Math.max(...first.map(place => countOf(place.pubKey)))
  return insteadOf(
    longestRested(
      first.filter(place => countOf(place.pubKey) === most),
      nowMs,
    ),
  )
}
