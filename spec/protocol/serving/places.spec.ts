import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { type Place, placeFor, type PlaceDecision, type PlaceLimits } from '../../../src/protocol/serving/places.js'

const limits: PlaceLimits = { total: 6, unpaid: 4, making: 3, perKey: 3, makingPerKey: 2, restMs: 10 }
const nowMs = 1_000

/** `a` is a busy connection of a's, `a-20` one idle for 20 ms, `a?5` an attempt that is 5 ms old, `a!` a silent one. Capital keys have paid. */
function parse(text: string): readonly Place[] {
  return text
    .split(' ')
    .filter(word => word !== '')
    .map((word, index) => {
      const [, pubKey, kind, age] = /^(\w)([-?!]?)(\d*)$/.exec(word)!
      return {
        session: `${word}#${index}`,
        pubKey: pubKey!,
        open: kind !== '?',
        streams: kind === '' || kind === '!' ? 1 : 0,
        silent: kind === '!',
        sinceMs: nowMs - Number(age),
      }
    })
}

function decide(pubKey: string, places: string): string {
  const decision = placeFor({ pubKey, places: parse(places), limits, hasPaid: key => key < 'a', nowMs })
  return decision.type === 'instead' ? decision.session : decision.type
}

describe('placeFor', () => {
  it.each([
    ['there are places', 'z', 'a b c', 'free'],
    ['a key takes what it may', 'a', 'a a b', 'free'],
    ['a key has all that it may, at work', 'a', 'a a a', 'full'],
    ['a key has all that it may: its own idle one goes', 'a', 'a a-5 a b-50', 'a-5#1'],
    ['… or a silent one first', 'a', 'a-50 a! a', 'a!#1'],
    ['a key makes all that it may: its newest offer is what it wants', 'a', 'a?5 a?9 b?20', 'a?9#1'],
    ['keys that have not paid have all that they may', 'z', 'a b c d', 'full'],
    ['… for those that have there are more', 'Z', 'a b c d', 'free'],
    ['… also one that has rested goes, not one of those that have paid', 'z', 'a b c-11 d A-99', 'c-11#2'],
    ['… the one that has rested longest', 'z', 'a-12 b-30 c-20 d', 'b-30#1'],
    ['… a silent one before', 'z', 'a-12 b-30 c! d', 'c!#2'],
    ['… none that has just been in use', 'z', 'a-9 b-9 c-9 d', 'full'],
    ['… one of a key that has more, though it is at work', 'z', 'a a b c', 'a#0'],
    ['… of the key that has most, idle before busy', 'z', 'a a-1 b-99 c', 'a-1#1'],
    ['a key with a place takes none that has rested', 'z', 'z a-20 b-20 c', 'full'],
    ['… only of one that has at least two more', 'z', 'z a a a', 'a#1'],
    [
      'all places are taken, by keys that have paid too: those that have not go first',
      'Z',
      'A A A-50 b-11 c d',
      'b-11#3',
    ],
    ['… then theirs', 'Z', 'A A A-50 b c d', 'A-50#2'],
    ['… and in the end nobody’s', 'Z', 'A B C d e f', 'full'],
    ['too many are being made', 'z', 'a?1 b?2 c?3', 'full'],
    ['… one that takes long goes', 'z', 'a?1 b?12 c?3', 'b?12#1'],
    ['… or one of a key that makes two', 'z', 'a?1 a?2 c?3', 'a?2#1'],
    ['… or, for a key that has paid, one of a key that has not', 'Z', 'a?1 B?2 c?3', 'c?3#2'],
  ])('%s', (_name, pubKey, places, decision) => {
    expect(decide(pubKey, places)).toBe(decision)
  })

  it('keeps all limits, and lets a key in that has none while another one has two', () => {
    const offer = fc.record({
      pubKey: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'A', 'B', 'C'),
      becomes: fc.constantFrom('attempt', 'busy', 'idle', 'silent'),
      ends: fc.boolean(),
      laterMs: fc.nat(15),
    })
    fc.assert(
      fc.property(fc.array(offer, { maxLength: 80 }), list => {
        let places: readonly Place[] = []
        let now = 0
        const hasPaid = (key: string): boolean => key < 'a'
        for (const [index, { pubKey, becomes, ends, laterMs }] of list.entries()) {
          now += laterMs
          const decision: PlaceDecision = placeFor({ pubKey, places, limits, hasPaid, nowMs: now })
          const unpaid = places.filter(place => !hasPaid(place.pubKey)).length
          if (decision.type === 'free') expect(places.length).toBeLessThan(limits.total)
          if (decision.type === 'full') {
            const hasNone = places.every(place => place.pubKey !== pubKey)
            const crowd = places.filter(
              place => places.filter(({ open }) => !open).length < limits.making || !place.open,
            )
            const two = crowd.some(place => crowd.filter(other => other.pubKey === place.pubKey).length > 1)
            const evenUnpaid = hasPaid(pubKey) || unpaid < limits.unpaid
            expect(hasNone && two && evenUnpaid).toBe(false)
            continue
          }
          if (decision.type === 'instead') {
            expect(places.map(({ session }) => session)).toContain(decision.session)
            places = places.filter(({ session }) => session !== decision.session)
          }
          const streams = becomes === 'busy' ? 1 : 0
          const open = becomes !== 'attempt'
          const place = { session: String(index), pubKey, open, streams, silent: becomes === 'silent', sinceMs: now }
          places = [...places, place]
          const count = (fits: (place: Place) => boolean): number => places.filter(fits).length
          expect(places.length).toBeLessThanOrEqual(limits.total)
          expect(count(each => !each.open)).toBeLessThanOrEqual(limits.making)
          expect(count(each => each.pubKey === pubKey)).toBeLessThanOrEqual(limits.perKey)
          expect(count(each => each.pubKey === pubKey && !each.open)).toBeLessThanOrEqual(limits.makingPerKey)
          expect(count(each => !hasPaid(each.pubKey))).toBeLessThanOrEqual(limits.unpaid)
          if (ends) places = places.slice(1)
        }
      }),
      { numRuns: 500 },
    )
  })
})
