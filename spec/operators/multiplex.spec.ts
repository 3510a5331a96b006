import { describe, expect, it } from '@jest/globals'
import { map, type Observable, Subject } from 'rxjs'
import { multiplex } from '../../src/operators/multiplex.js'
import { defaultMuxConfig } from '../../src/protocol/mux/config.js'
import type { MuxEvent } from '../../src/protocol/mux/state.js'
import type { Frame } from '../../src/protocol/mux/frame.js'
import { marbles } from '../support/marbles.js'

const config = defaultMuxConfig('client', { version: 2, rst: true })
const values: Record<string, MuxEvent> = {
  o: { type: 'open', id: 3 },
  w: { type: 'write', id: 3, bytes: Uint8Array.of(1) },
  f: { type: 'frames', frames: [{ command: 'psh', streamId: 3, data: Uint8Array.of(2) }], now: 0 },
  v: { type: 'frames', frames: [{ command: 'syn', streamId: 5 }], now: 0 },
}
const through = (source$: Observable<MuxEvent>): Observable<string> =>
  source$.pipe(
    multiplex(config),
    map(({ effects }) => effects.map(({ type }) => type).join()),
  )
const results = { s: 'send', d: 'deliver', x: 'fail', n: '' }

describe('multiplex', () => {
  it.each<[string, string, string, string, string?]>([
    ['never', '--------', '--------', '^-------'],
    ['empty', '---|', '---|', '^--!'],
    ['one', '--o--|', '--s--|', '^----!'],
    ['many, as drawn', '--o-------w-------f------|', '--s-------s-------d------|', '^------------------------!'],
    ['a violation, and silence after it', '-o-v-w-f|', '-s-x-n-n|', '^-------!'],
    ['an error', '--o--#', '--s--#', '^----!'],
    ['an early unsubscription', '--o-----w--', '--s----', '^-----!', '------!'],
  ])('%s', (...[_name, source, expected, subscribed, unsubscribed]) => {
    marbles(({ row }) => {
      row({ source, values, through, expected, results, subscribed, ...(unsubscribed && { unsubscribed }) })
    })
  })

  it('finishes the effects under way before the events that they cause', () => {
    const source$ = new Subject<MuxEvent>()
    const done: string[] = []
    source$.pipe(multiplex({ ...config, queueHighBytes: 1, queueLowBytes: 1 })).subscribe(({ effects }) => {
      for (const effect of effects) {
        done.push(`start ${effect.type}`)
        if (effect.type === 'pause') source$.next(values['f']!)
        done.push(`end ${effect.type}`)
      }
    })
    source$.next(values['o']!)
    done.length = 0
    source$.next(values['w']!)
    expect(done.map(text => text.split(' ')[1])).toEqual([
      ...['pause', 'pause', 'resume', 'resume', 'send', 'send'],
      ...['deliver', 'deliver'],
    ])
    expect(done.filter((text, index) => text.startsWith('start') === (index % 2 === 0))).toHaveLength(done.length)
  })

  it('asks how much may be sent right before each event, and not when that was made', () => {
    const source$ = new Subject<MuxEvent>()
    let credit = 0
    const sent: number[] = []
    source$.pipe(multiplex(config, () => credit)).subscribe(({ state }) => sent.push(state.sentBytes))
    source$.next(values['o']!)
    source$.next({ type: 'write', id: 3, bytes: new Uint8Array(100) })
    credit = 30
    source$.next({ type: 'credit', bytes: Infinity })
    credit = 50
    source$.next({ type: 'tick' })
    expect(sent).toEqual([0, 0, 30, 50])
  })

  it('starts each subscription with a state of its own', () => {
    const source$ = new Subject<MuxEvent>()
    const counts: number[] = []
    const size$ = source$.pipe(
      multiplex(config),
      map(({ state }) => state.streams.size),
    )
    size$.subscribe().unsubscribe()
    const first = size$.subscribe()
    source$.next(values['o']!)
    first.unsubscribe()
    size$.subscribe(size => counts.push(size))
    source$.next({ type: 'tick' })
    expect(counts).toEqual([0])
  })

  it('turns a defect into `fail`, as such, and not into an exception', () => {
    const source$ = new Subject<MuxEvent>()
    const codes: string[] = []
    source$.pipe(multiplex(config)).subscribe(({ effects }) => {
      for (const effect of effects) codes.push(effect.type === 'fail' ? effect.error.code : effect.type)
    })
    source$.next({ type: 'frames', frames: undefined as unknown as readonly Frame[], now: 0 })
    source$.next({ type: 'frames', frames: [{ command: 'syn', streamId: 5 }], now: 0 })
    expect(codes).toEqual(['internal'])
  })

  it('turns hostile input into `fail`, not into an exception', () => {
    marbles(({ row }) => {
      row({
        source: '--h--|',
        values: { h: { type: 'frames', frames: [undefined], now: 0 } as unknown as MuxEvent },
        through,
        expected: '--x--|',
        results,
        subscribed: '^----!',
      })
    })
  })
})
