import { describe, expect, it } from '@jest/globals'
import type { BusEvent, BusSession, HubBus } from '../../src/hub/ports/bus.js'
import { newAccount } from './support.js'

/** A session that notes what becomes of it. */
export function fakeSession(): BusSession & { readonly got: [BusEvent, object][]; replaced: number; clogged: boolean } {
  const session = {
    got: [] as [BusEvent, object][],
    replaced: 0,
    clogged: false,
    send: (event: BusEvent, body: object) => !session.clogged && session.got.push([event, body]) > 0,
    replace: () => void (session.replaced += 1),
  }
  return session
}

export function newKey(): string {
  return newAccount('somebody').pubKey
}

/** What every bus has to do, seen from two processes; a bus of one process stands for both. */
export function describeHubBus(name: string, open: () => Promise<readonly [HubBus, HubBus]>): void {
  describe(`${name} as a hub's bus`, () => {
    it('delivers event and body to wherever the key is', async () => {
      const [here, there] = await open()
      const [key, session] = [newKey(), fakeSession()]
      await here.enter(key, session)
      const body = { text: 'å\n"', list: [1, null, { deep: true }] }
      expect(await here.deliver(key, 'signal', body)).toBe('delivered')
      expect(await there.deliver(key, 'settled', body)).toBe('delivered')
      expect(session.got).toEqual([
        ['signal', body],
        ['settled', body],
      ])
      expect([await here.isSignedIn(key), await there.isSignedIn(key)]).toEqual([true, true])
    })

    it('says offline of a key that nobody holds, or holds no more', async () => {
      const [here, there] = await open()
      const [key, session] = [newKey(), fakeSession()]
      const seen = async () => [
        ...[await here.deliver(key, 'signal', {}), await there.deliver(key, 'signal', {})],
        ...[await here.isSignedIn(key), await there.isSignedIn(key)],
      ]
      expect(await seen()).toEqual(['offline', 'offline', false, false])
      await here.enter(key, session)
      here.leave(key, session)
      expect(await seen()).toEqual(['offline', 'offline', false, false])
      expect([session.got, session.replaced, here.size]).toEqual([[], 0, 0])
    })

    it('says congested when the reader holds too much, and delivers again when it does not', async () => {
      const [here, there] = await open()
      const [key, session] = [newKey(), fakeSession()]
      await here.enter(key, session)
      session.clogged = true
      expect([await here.deliver(key, 'signal', {}), await there.deliver(key, 'signal', {})]).toEqual([
        'congested',
        'congested',
      ])
      session.clogged = false
      expect(await there.deliver(key, 'signal', {})).toBe('delivered')
    })

    it('keeps one session a key: the older is told once, the newer gets what comes', async () => {
      const [here, there] = await open()
      const [key, older, newer, newest] = [newKey(), fakeSession(), fakeSession(), fakeSession()]
      await here.enter(key, older)
      await there.enter(key, newer)
      expect(await here.deliver(key, 'signal', { n: 1 })).toBe('delivered')
      expect([older.replaced, older.got, newer.replaced, newer.got]).toEqual([1, [], 0, [['signal', { n: 1 }]]])
      here.leave(key, older)
      await there.enter(key, newest)
      there.leave(key, newer)
      expect(await here.deliver(key, 'signal', { n: 2 })).toBe('delivered')
      expect([older.replaced, newer.replaced, newest.replaced]).toEqual([1, 1, 0])
      expect(newest.got).toEqual([['signal', { n: 2 }]])
    })

    it('keeps exactly one of many that race', async () => {
      const buses = await open()
      for (const key of Array.from({ length: 20 }, newKey)) {
        const sessions = Array.from({ length: 6 }, fakeSession)
        await Promise.all(sessions.map((session, index) => (index % 2 === 0 ? buses[0] : buses[1]).enter(key, session)))
        expect(await buses[0].deliver(key, 'signal', {})).toBe('delivered')
        expect(await buses[1].deliver(key, 'signal', {})).toBe('delivered')
        const standing = sessions.filter(({ replaced }) => replaced === 0)
        expect(standing.map(({ got }) => got.length)).toEqual([2])
        expect(sessions.map(({ replaced }) => replaced).toSorted()).toEqual([0, 1, 1, 1, 1, 1])
      }
    })

    it('finds a key again that leaves and comes back in one breath', async () => {
      const [here, there] = await open()
      const key = newKey()
      for (let round = 0; round < 20; round += 1) {
        const [brief, lasting] = [fakeSession(), fakeSession()]
        const entered = here.enter(key, brief)
        if (round % 2 === 0) await entered
        here.leave(key, brief)
        await here.enter(key, lasting)
        expect(await there.deliver(key, 'signal', { round })).toBe('delivered')
        expect([brief.got, lasting.got]).toEqual([[], [['signal', { round }]]])
        here.leave(key, lasting)
      }
    })

    it('keeps the order of what one process sends', async () => {
      const [here, there] = await open()
      const [key, session] = [newKey(), fakeSession()]
      await here.enter(key, session)
      const numbers = Array.from({ length: 300 }, (_value, index) => index)
      const outcomes = await Promise.all(numbers.map(n => there.deliver(key, 'signal', { n })))
      expect(new Set(outcomes)).toEqual(new Set(['delivered']))
      expect(session.got.map(([, body]) => body)).toEqual(numbers.map(n => ({ n })))
    })

    it('counts the sessions of this process, and is well', async () => {
      const [here] = await open()
      const sessions = [fakeSession(), fakeSession()]
      for (const session of sessions) await here.enter(newKey(), session)
      expect(here.size).toBe(2)
      await here.check()
    })
  })
}
