import { describe, expect, it } from '@jest/globals'
import { of, Subject } from 'rxjs'
import { frame } from '../../src/operators/frame.js'
import { encodeFrames, type Frame } from '../../src/protocol/mux/frame.js'
import { marbles } from '../support/marbles.js'

const values: Record<string, Frame | readonly Frame[]> = {
  s: { command: 'syn', streamId: 3 },
  p: { command: 'psh', streamId: 3, data: new Uint8Array(5000).fill(1) },
  f: [
    { command: 'fin', streamId: 3 },
    { command: 'syn', streamId: 5 },
  ],
}
const syn: Frame = { command: 'syn', streamId: 3 }
const fin: Frame = { command: 'fin', streamId: 3 }
const results = {
  a: encodeFrames([values['s'] as Frame], 2),
  b: encodeFrames([values['p'] as Frame], 2),
  c: encodeFrames(values['f'] as readonly Frame[], 2),
}
const through = frame({ version: 2 })

describe('frame', () => {
  it.each<[string, string, string, string, string?]>([
    ['never', '--------', '--------', '^-------'],
    ['empty', '---|', '---|', '^--!'],
    ['one', '--s---|', '--a---|', '^-----!'],
    ['many, as drawn', '--s-----p----f--|', '--a-----b----c--|', '^---------------!'],
    ['an error', '--s--#', '--a--#', '^----!'],
    ['an early unsubscription', '--s-----p----f--|', '--a-----b-', '^---------!', '----------!'],
  ])('%s', (...[_name, source, expected, subscribed, unsubscribed]) => {
    marbles(({ row }) => {
      row({ source, values, through, expected, results, subscribed, ...(unsubscribed && { unsubscribed }) })
    })
  })

  it('cuts the drawn PSH into 4,096 and 904 bytes of data', () => {
    expect(results.b).toHaveLength(8 + 4096 + 8 + 904)
    expect([...results.b.subarray(0, 4), ...results.b.subarray(4104, 4108)]).toEqual([2, 2, 0, 16, 2, 2, 0x88, 3])
  })

  it('writes version 1 by default', () => {
    marbles(({ row }) => {
      row({
        source: 's|',
        values,
        through: frame(),
        expected: 'a|',
        results: { a: encodeFrames([syn], 1) },
        subscribed: '^!',
      })
    })
  })

  it('keeps the order when a result causes the next frame', () => {
    const source$ = new Subject<Frame>()
    const seen: number[] = []
    source$.pipe(frame()).subscribe(bytes => {
      seen.push(bytes[1]!)
      if (seen.length === 1) source$.next(fin)
    })
    source$.next(syn)
    expect(seen).toEqual([0, 1])
  })

  it('writes a batch as one chunk, into what `allocate` gives for exactly its bytes', () => {
    const memory = new Uint8Array(64).fill(0xff)
    const asked: number[] = []
    const chunks: Uint8Array[] = []
    const allocate = (bytes: number): Uint8Array => {
      asked.push(bytes)
      return memory.subarray(3, 3 + bytes)
    }
    const data = Uint8Array.of(1, 2, 3)
    of([syn, { command: 'psh', streamId: 3, data } as const, fin])
      .pipe(frame({ allocate }))
      .subscribe(chunk => chunks.push(chunk))
    expect(asked).toEqual([8 + 11 + 8])
    expect(chunks[0]!.buffer).toBe(memory.buffer)
    expect([...chunks[0]!]).toEqual([
      ...[1, 0, 0, 0, 3, 0, 0, 0],
      ...[1, 2, 3, 0, 3, 0, 0, 0, 1, 2, 3],
      ...[1, 1, 0, 0, 3, 0, 0, 0],
    ])
  })

  it('errors on what is no frame, and lets the source go', () => {
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source$ = hot('--x--s', { ...values, x: undefined as unknown as Frame })
      expectObservable(source$.pipe(frame())).toBe('--#', undefined, expect.any(TypeError))
      expectSubscriptions(source$.subscriptions).toBe('^-!')
    })
  })
})
