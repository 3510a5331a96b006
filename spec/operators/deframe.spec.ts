import { describe, expect, it } from '@jest/globals'
import { map, of, Subject } from 'rxjs'
import { deframe, deframeBatch } from '../../src/operators/deframe.js'
import { frame } from '../../src/operators/frame.js'
import { LighthouseError } from '../../src/protocol/errors.js'
import { encodeFrames, type Frame } from '../../src/protocol/mux/frame.js'
import { marbles } from '../support/marbles.js'

const data: Frame = { command: 'psh', streamId: 3, data: Uint8Array.of(1, 2, 3, 4) }
const [syn, psh, fin] = [
  encodeFrames([{ command: 'syn', streamId: 3 }], 1),
  encodeFrames([data], 1),
  encodeFrames([{ command: 'fin', streamId: 3 }], 1),
] as const
const values: Record<string, Uint8Array> = {
  // As drawn: a frame and a half, the other half, three frames.
  a: Uint8Array.of(...syn, ...psh.subarray(0, 5)),
  b: psh.subarray(5),
  c: Uint8Array.of(...psh, ...psh, ...fin),
  h: psh.subarray(0, 11),
  x: Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0),
  y: Uint8Array.of(...syn, 1, 77, 0, 0, 0, 0, 0, 0),
  z: Uint8Array.of(1, 0, 1, 0, 0, 0, 0, 0),
  e: new Uint8Array(),
}
const batches = deframeBatch()
const short = (frames: readonly Frame[]): string => frames.map(({ command }) => command).join()
const rows: [name: string, source: string, batch: string, single: string, subscribed: string, unsubscribed?: string][] =
  [
    ['never', '--------', '--------', '--------', '^-------'],
    ['empty', '---|', '---|', '---|', '^--!'],
    ['empty chunks', '-e-e|', '----|', '----|', '^---!'],
    ['one', '--c-------|', '--3-------|', '--(ppf)---|', '^---------!'],
    ['many, as drawn', '--a----b----c-----|', '--1----2----3-----|', '--s----p----(ppf)-|', '^-----------------!'],
    ['an error of the source', '--a--#', '--1--#', '--s--#', '^----!'],
    ['an early unsubscription', '--a----b----c-----|', '--1----2--', '--s----p--', '^---------!', '----------!'],
  ]

describe('deframeBatch', () => {
  it.each(rows)('%s', (...[_name, source, expected, _single, subscribed, unsubscribed]) => {
    marbles(({ row }) => {
      row({
        source,
        values,
        through: source$ => source$.pipe(batches, map(short)),
        expected,
        results: { 1: 'syn', 2: 'psh', 3: 'psh,psh,fin' },
        subscribed,
        ...(unsubscribed && { unsubscribed }),
      })
    })
  })

  it.each([
    ['x', 'frame-version', '--#'],
    ['y', 'frame-command', '--#'],
    ['z', 'frame-size', '--#'],
  ])('a malformed header (%s) errors with %s and lets the source go', (name, code, expected) => {
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source$ = hot(`--${name}--c--`, values)
      const error = expect.objectContaining({ name: 'LighthouseError', code })
      expectObservable(source$.pipe(batches)).toBe(expected, undefined, error)
      expectSubscriptions(source$.subscriptions).toBe('^-!')
    })
  })

  it('errors when the source completes within a frame, and only then', () => {
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source$ = hot('--h--|', values)
      const error = new LighthouseError('frame-size', 'the bytes end within a frame')
      expectObservable(source$.pipe(batches)).toBe('-----#', undefined, error)
      expectSubscriptions(source$.subscriptions).toBe('^----!')
    })
  })

  it('starts each subscription with an empty buffer', () => {
    const source$ = new Subject<Uint8Array>()
    const seen: string[] = []
    const frame$ = source$.pipe(batches, map(short))
    const first = frame$.subscribe()
    source$.next(values['a']!)
    first.unsubscribe()
    frame$.subscribe(frames => seen.push(frames))
    source$.next(syn)
    expect(seen).toEqual(['syn'])
  })
})

describe('deframe', () => {
  it.each(rows)('%s', (...[_name, source, _batch, expected, subscribed, unsubscribed]) => {
    marbles(({ row }) => {
      row({
        source,
        values,
        through: source$ =>
          source$.pipe(
            deframe(),
            map(({ command }) => command),
          ),
        expected,
        results: { s: 'syn', p: 'psh', f: 'fin' },
        subscribed,
        ...(unsubscribed && { unsubscribed }),
      })
    })
  })

  it('keeps the order when a frame causes the next bytes', () => {
    const source$ = new Subject<Uint8Array>()
    const seen: string[] = []
    source$.pipe(deframe()).subscribe(({ command }) => {
      seen.push(command)
      if (seen.length === 1) source$.next(syn)
    })
    source$.next(values['c']!)
    expect(seen).toEqual(['psh', 'psh', 'fin', 'syn'])
  })

  it('is the inverse of frame', () => {
    const seen: Frame[] = []
    of(data)
      .pipe(frame({ version: 2 }), deframe({ version: 2, rst: true }))
      .subscribe(value => seen.push(value))
    expect(seen).toEqual([data])
  })

  it('errors on what is no bytes', () => {
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source$ = hot('--x', { x: undefined as unknown as Uint8Array })
      expectObservable(source$.pipe(deframe())).toBe('--#', undefined, expect.any(TypeError))
      expectSubscriptions(source$.subscriptions).toBe('^-!')
    })
  })
})
