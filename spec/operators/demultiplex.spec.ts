import { describe, expect, it } from '@jest/globals'
import { map, type Observable, Subject } from 'rxjs'
import { demultiplex, type StreamObserver } from '../../src/operators/demultiplex.js'
import { multiplex } from '../../src/operators/multiplex.js'
import { LighthouseError } from '../../src/protocol/errors.js'
import { defaultMuxConfig } from '../../src/protocol/mux/config.js'
import type { Frame } from '../../src/protocol/mux/frame.js'
import type { MuxEffect, MuxEvent, MuxState, MuxTransition } from '../../src/protocol/mux/state.js'
import { createMux } from '../../src/protocol/mux/step.js'
import { marbles } from '../support/marbles.js'

const config = defaultMuxConfig('server', { version: 2, rst: true })
const state: MuxState = createMux(config)
const step = (...effects: MuxEffect[]): MuxTransition => ({ state, effects })
const frames: readonly Frame[] = [{ command: 'nop', streamId: 0 }]
const broken = new LighthouseError('protocol-violation', 'broken')
const values: Record<string, MuxTransition> = {
  n: step(),
  a: step({ type: 'accept', id: 3 }),
  d: step({ type: 'deliver', id: 3, bytes: Uint8Array.of(1) }, { type: 'send', frames }),
  c: step({ type: 'end', id: 3 }, { type: 'closed', id: 3 }),
  x: step({ type: 'fail', error: broken }),
}

/** An observer that notes what reaches it. */
function noting(log: string[], id: number): StreamObserver {
  return {
    next: ({ type }) => log.push(`${id} ${type}`),
    error: (error: LighthouseError) => log.push(`${id} ${error.code}`),
    complete: () => log.push(`${id} complete`),
  }
}

/** A multiplexer at work, and what the observers of its streams noted. */
function atWork(role: 'client' | 'server' = 'server') {
  const event$ = new Subject<MuxEvent>()
  const log: string[] = []
  const outcomes: unknown[] = []
  const subscription = event$
    .pipe(
      multiplex(defaultMuxConfig(role, { version: 2, rst: true })),
      demultiplex((id, accepted) => {
        log.push(`${id} ${accepted ? 'accepted' : 'opened here'}`)
        return noting(log, id)
      }),
    )
    .subscribe({ error: error => outcomes.push(error), complete: () => outcomes.push('complete') })
  const receive = (...received: Frame[]): void => event$.next({ type: 'frames', frames: received, now: 0 })
  return { event$, log, outcomes, receive, subscription }
}

describe('demultiplex', () => {
  it.each<[string, string, string, string, readonly string[], string?]>([
    ['never', '------', '------', '^-----', []],
    ['empty', '---|', '---|', '^--!', []],
    ['one', '--a---|', '--n---|', '^-----!', ['3 channel-closed']],
    ['many, as drawn', '--a--d--c--|', '--n--f--n--|', '^----------!', ['3 deliver', '3 end', '3 complete']],
    ['an error', '-a-#', '-n-#', '^--!', ['3 of the source']],
    ['the end of the connection', '-a-d-x', '-n-f-#', '^----!', ['3 deliver', '3 protocol-violation']],
    ['an early unsubscription', '-a-d-c-', '-n-f-', '^---!', ['3 deliver'], '----!'],
  ])('%s', (...[name, source, expected, subscribed, noted, unsubscribed]) => {
    const log: string[] = []
    const through = (source$: Observable<MuxTransition>): Observable<readonly Frame[]> =>
      source$.pipe(
        demultiplex(id => ({
          ...noting(log, id),
          error: (error: Error) => log.push(`${id} ${error instanceof LighthouseError ? error.code : error.message}`),
        })),
      )
    marbles(({ row }) => {
      row({
        source,
        values,
        through,
        expected,
        results: { n: [], f: frames },
        ...(name === 'the end of the connection' && { error: broken }),
        subscribed,
        ...(unsubscribed && { unsubscribed }),
      })
    })
    expect(log).toEqual(noted)
  })

  it('asks once for the observer of a stream, and says who opened it', () => {
    const { event$, log, receive } = atWork()
    receive({ command: 'syn', streamId: 3 }, { command: 'psh', streamId: 3, data: Uint8Array.of(1) })
    event$.next({ type: 'open', id: 2 })
    receive({ command: 'psh', streamId: 2, data: Uint8Array.of(1) }, { command: 'fin', streamId: 3 })
    expect(log).toEqual(['3 accepted', '3 deliver', '3 end', '2 opened here', '2 deliver'])
  })

  it('errors the stream that was reset, by either side, and leaves the others alone', () => {
    const { event$, log, receive } = atWork()
    receive({ command: 'syn', streamId: 3 }, { command: 'syn', streamId: 5 }, { command: 'syn', streamId: 7 })
    receive({ command: 'rst', streamId: 5 })
    event$.next({ type: 'open', id: 2 })
    event$.next({ type: 'reset', id: 7 })
    event$.next({ type: 'reset', id: 2 })
    receive({ command: 'psh', streamId: 3, data: Uint8Array.of(1) })
    const opened = ['3 accepted', '5 accepted', '7 accepted']
    expect(log).toEqual([...opened, '5 stream-reset', '7 stream-reset', '3 deliver'])
  })

  it('errors a stream that this side could not open', () => {
    const { event$, log } = atWork('client')
    for (let id = 3; id <= 3 + 2 * config.maxStreams; id += 2) event$.next({ type: 'open', id })
    expect(log).toEqual(['515 opened here', '515 too-many-streams'])
  })

  it('performs effects before the frames of their step go on, and then the events that they cause', () => {
    const event$ = new Subject<MuxEvent>()
    const log: string[] = []
    const reply: StreamObserver = {
      next: effect => {
        log.push(effect.type)
        if (effect.type === 'deliver') event$.next({ type: 'write', id: 3, bytes: effect.bytes })
      },
    }
    event$
      .pipe(
        multiplex(config),
        demultiplex(() => reply),
        map(sent => sent.map(({ command }) => command).join()),
      )
      .subscribe(commands => log.push(`[${commands}]`))
    const data = Uint8Array.of(1)
    const received: Frame[] = [
      { command: 'syn', streamId: 5 },
      { command: 'psh', streamId: 5, data },
    ]
    event$.next({ type: 'frames', frames: [{ command: 'syn', streamId: 3 }, ...received], now: 0 })
    expect(log).toEqual(['deliver', '[]', '[psh]'])
  })

  it('errors with what an observer throws, and the streams with it', () => {
    const event$ = new Subject<MuxEvent>()
    const log: string[] = []
    const defect = new Error('a defect in an observer')
    const failing = (): never => {
      throw defect
    }
    event$
      .pipe(
        multiplex(config),
        demultiplex(id => ({ next: failing, error: (error: Error) => log.push(`${id} ${error.message}`) })),
      )
      .subscribe({ error: (error: Error) => log.push(error.message) })
    const data = Uint8Array.of(1)
    const received: Frame[] = [
      { command: 'syn', streamId: 3 },
      { command: 'psh', streamId: 3, data },
    ]
    event$.next({ type: 'frames', frames: received, now: 0 })
    expect(log).toEqual([`3 ${defect.message}`, defect.message])
  })

  it('gives each subscription observers of its own', () => {
    const event$ = new Subject<MuxEvent>()
    let asked = 0
    const line$ = event$.pipe(
      multiplex(config),
      demultiplex(() => {
        asked++
        return {}
      }),
    )
    const subscriptions = [line$.subscribe(), line$.subscribe()]
    event$.next({ type: 'frames', frames: [{ command: 'syn', streamId: 3 }], now: 0 })
    event$.next({ type: 'frames', frames: [{ command: 'fin', streamId: 3 }], now: 0 })
    expect(asked).toBe(2)
    for (const subscription of subscriptions) subscription.unsubscribe()
  })
})
