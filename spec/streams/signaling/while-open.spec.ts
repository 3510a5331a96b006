import { describe, expect, it } from '@jest/globals'
import { concat, defer, finalize, map, ignoreElements, of, Subject, throwError } from 'rxjs'
import { LighthouseError } from '../../../src/protocol/errors.js'
import type { ConnectionEvent } from '../../../src/streams/signaling/connection.js'
import { whileOpen } from '../../../src/streams/signaling/while-open.js'
import { marbles } from '../../support/marbles.js'
import { memoryChannelPair } from '../../support/memory-channel.js'

const [channel] = memoryChannelPair()
const reason = new LighthouseError('channel-closed', 'the other side closed the connection')
const events: Record<string, ConnectionEvent> = {
  r: { type: 'resolving', nickname: 'bob' },
  o: {
    type: 'open',
    engine: 'fake',
    session: 'session',
    pubKey: 'key',
    hubKey: 'hub',
    channel,
    agreement: { version: 2, rst: true },
  },
  p: { type: 'path', kind: 'host', roundTripMs: 1 },
  c: { type: 'closed', reason },
}

describe('whileOpen', () => {
  it.each<[string, string, string, string, string?]>([
    ['never', '-----', '-----', '^---!', '----!'],
    ['empty', '--|', '--|', '^-!'],
    ['one that never opens', '-r--c|', '----#', '^---!'],
    ['open, and events after it', '-r-o-p-p--c|', '---o-p-p--#', '^---------!'],
    ['a path before it is open', '-p-o-c|', '---o-#', '^----!'],
    ['an error', '-o-#', '-o-#', '^--!'],
    ['an early unsubscription', '-o-p-p-p', '-o-p', '^---!', '----!'],
  ])('%s', (...[_name, source, expected, subscribed, unsubscribed]) => {
    marbles(({ row }) => {
      row({
        source,
        values: events,
        through: whileOpen((open, later$) => concat(of(open), later$)),
        expected,
        results: events,
        error: source.includes('#') ? new Error('of the source') : reason,
        subscribed,
        ...(unsubscribed && { unsubscribed }),
      })
    })
  })

  it('runs once, with the open connection, and unsubscribes when it closes', () => {
    const source$ = new Subject<ConnectionEvent>()
    const log: unknown[] = []
    source$
      .pipe(
        whileOpen((open, later$) =>
          defer(() => {
            log.push(open.session)
            return later$.pipe(ignoreElements())
          }).pipe(finalize(() => log.push('let go'))),
        ),
      )
      .subscribe({ error: error => log.push(error) })
    source$.next(events['o']!)
    source$.next(events['p']!)
    expect(log).toEqual(['session'])
    source$.next(events['c']!)
    expect(log).toEqual(['session', reason, 'let go'])
    expect(source$.observed).toBe(false)
  })

  it('fails with what it runs, and lets the connection go', () => {
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const hostile = new Error('hostile')
      const source$ = hot('-o-p', events)
      expectObservable(source$.pipe(whileOpen(() => throwError(() => hostile)))).toBe('-#', undefined, hostile)
      const throwing$ = source$.pipe(
        whileOpen((_open, later$) =>
          later$.pipe(
            map(() => {
              throw hostile
            }),
          ),
        ),
      )
      expectObservable(throwing$).toBe('---#', undefined, hostile)
      expectSubscriptions(source$.subscriptions).toBe(['^!', '^--!'])
    })
  })
})
