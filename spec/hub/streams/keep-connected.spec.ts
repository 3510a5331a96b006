import { describe, expect, it } from '@jest/globals'
import { EMPTY, NEVER, Observable, Subject, throwError, VirtualTimeScheduler } from 'rxjs'
import { keepConnected } from '../../../src/hub/streams/keep-connected.js'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** Moves virtual time on. */
function pass(scheduler: VirtualTimeScheduler, ms: number): void {
  scheduler.schedule(() => undefined, ms)
  scheduler.maxFrames = scheduler.now() + ms
  scheduler.flush()
}

describe('keepConnected', () => {
  it('gives up after ten seconds when there is nobody to connect to, and says why', () => {
    const scheduler = new VirtualTimeScheduler()
    let attempts = 0
    const connection$ = new Observable<never>(subscriber => {
      attempts += 1
      subscriber.error(new Error('connection refused'))
    })
    const errors: unknown[] = []
    connection$.pipe(keepConnected(silent, scheduler)).subscribe({
      error: error => errors.push(error),
    })
    pass(scheduler, 9_999)
    expect([attempts, errors]).toEqual([10, []])
    pass(scheduler, 1)
    expect(errors).toMatchObject([{ code: 'store-failed', message: expect.stringContaining('connection refused') }])
    pass(scheduler, 5_000)
    expect(attempts).toBeLessThanOrEqual(11)
  })

  it('connects again a second after each loss, and logs each outage once', () => {
    const scheduler = new VirtualTimeScheduler()
    const [connections, logged]: [Subject<number>[], string[]] = [[], []]
    const note = (_fields: object, message: string): void => void logged.push(message)
    const source$ = new Observable<number>(subscriber => {
      const connection$ = new Subject<number>()
      connections.push(connection$)
      return connection$.subscribe(subscriber)
    })
    const seen: number[] = []
    const logger = { info: note, warn: note, error: note }
    const subscription = source$.pipe(keepConnected(logger, scheduler)).subscribe(value => seen.push(value))
    connections[0]?.next(1)
    connections[0]?.error(new Error('lost'))
    pass(scheduler, 999)
    expect(connections).toHaveLength(1)
    pass(scheduler, 1)
    connections[1]?.error(new Error('refused'))
    pass(scheduler, 20_000)
    connections[2]?.next(2)
    expect([seen, connections.length, logged]).toEqual([
      [1, 2],
      3,
      ['Redis is not connected: peers of other processes are offline', 'Redis is connected again'],
    ])
    subscription.unsubscribe()
    expect(connections[2]?.observed).toBe(false)
  })

  it.each([
    ['never', NEVER],
    ['empty', EMPTY],
    ['an error', throwError(() => new Error('refused'))],
  ])('lets go of %s when it is unsubscribed', (_name, connection$) => {
    const scheduler = new VirtualTimeScheduler()
    const seen: unknown[] = []
    const subscription = connection$.pipe(keepConnected<unknown>(silent, scheduler)).subscribe({
      next: bus => seen.push(bus),
      error: error => seen.push(error),
    })
    subscription.unsubscribe()
    pass(scheduler, 20_000)
    expect(seen).toEqual([])
  })
})
