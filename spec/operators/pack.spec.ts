import { describe, expect, it } from '@jest/globals'
import { from, map, type Observable, Subject } from 'rxjs'
import { pack } from '../../src/operators/pack.js'
import { encodeFrames, type Frame } from '../../src/protocol/mux/frame.js'
import { marbles } from '../support/marbles.js'

const maxMessageBytes = 10_000
const full: Frame = { command: 'psh', streamId: 3, data: new Uint8Array(4096).fill(1) }
const fin: Frame = { command: 'fin', streamId: 3 }
const values: Record<string, readonly Frame[]> = {
  a: [{ command: 'syn', streamId: 3 }, full, fin],
  b: [full, full, full, full, full],
  e: [],
}
const results = {
  m: encodeFrames(values['a']!, 2),
  n: encodeFrames([full, full], 2),
  o: encodeFrames([full], 2),
}
const through = pack({ version: 2, maxMessageBytes })

describe('pack', () => {
  it.each<[string, string, string, string, string?]>([
    ['never', '--------', '--------', '^-------'],
    ['empty', '---|', '---|', '^--!'],
    ['one', '--a---|', '--m---|', '^-----!'],
    ['many, as drawn', '--a--------b----|', '--m--------(nno)|', '^---------------!'],
    ['a batch of none', '--e--a|', '-----m|', '^-----!'],
    ['an error', '--a--#', '--m--#', '^----!'],
    ['an early unsubscription', '--a--------b---|', '--m----', '^------!', '-------!'],
  ])('%s', (...[_name, source, expected, subscribed, unsubscribed]) => {
    marbles(({ row }) => {
      row({ source, values, through, expected, results, subscribed, ...(unsubscribed && { unsubscribed }) })
    })
  })

  it('keeps the order when a message causes the next batch', () => {
    const source$ = new Subject<readonly Frame[]>()
    const seen: number[] = []
    source$.pipe(pack({ maxMessageBytes })).subscribe(message => {
      seen.push(message.length)
      if (seen.length === 1) source$.next([fin])
    })
    source$.next(values['b']!)
    expect(seen).toEqual([2 * 4104, 2 * 4104, 4104, 8])
  })

  it('makes no further message when one of them throws, and lets the source go', () => {
    const source$ = new Subject<readonly Frame[]>()
    const errors: unknown[] = []
    let made = 0
    const failing = (message$: Observable<Uint8Array>): Observable<never> =>
      message$.pipe(
        map(() => {
          made++
          throw new Error('the channel is closed')
        }),
      )
    source$.pipe(through, failing).subscribe({ error: error => errors.push(error) })
    source$.next(values['b']!)
    expect([made, errors, source$.observed]).toEqual([1, [new Error('the channel is closed')], false])
  })

  it('errors on what is no frame, and lets the source go', () => {
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source$ = hot('--x--a', { ...values, x: [undefined as unknown as Frame] })
      expectObservable(source$.pipe(through)).toBe('--#', undefined, expect.any(TypeError))
      expectSubscriptions(source$.subscriptions).toBe('^-!')
    })
  })

  it('cuts a PSH that is longer than a frame of ours, and than a message', () => {
    const data = Uint8Array.from({ length: 20_000 }, (_, index) => index)
    const sizes: number[] = []
    from([[{ ...full, data }]])
      .pipe(through)
      .subscribe(message => sizes.push(message.length))
    expect(sizes).toEqual([2 * 4104, 2 * 4104, 8 + 20_000 - 4 * 4096])
  })

  it('writes each message to what `allocate` gives, of exactly its size, and version 1 by default', () => {
    const memory = new Uint8Array(100).fill(0xff)
    const asked: number[] = []
    const messages: Uint8Array[] = []
    const allocate = (bytes: number): Uint8Array => {
      asked.push(bytes)
      return memory.subarray(10, 10 + bytes)
    }
    from([[fin, fin]])
      .pipe(pack({ maxMessageBytes, allocate }))
      .subscribe(message => messages.push(message))
    expect([asked, messages[0]!.buffer === memory.buffer]).toEqual([[16], true])
    expect(messages).toEqual([encodeFrames([fin, fin], 1)])
  })
})
