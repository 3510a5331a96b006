import { describe, expect, it } from '@jest/globals'
import { concat, EMPTY, finalize, NEVER, type Observable, of, Subject, take, throwError } from 'rxjs'
import { usingValue$ } from '../../src/streams/using-value.js'
import { marbles } from '../support/marbles.js'

/** What becomes of a resource and its user, in order. */
function world(use$: Observable<string>, resource$: Observable<string> = concat(of('r'), NEVER)) {
  const log: string[] = []
  const both$ = usingValue$(resource$.pipe(finalize(() => log.push('resource'))), resource =>
    concat(of(resource), use$).pipe(finalize(() => log.push('user'))),
  )
  return { log, both$ }
}

describe('usingValue$', () => {
  it('lets the resource go after a user that came later, too', () => {
    const resource$ = new Subject<string>()
    const { log, both$ } = world(NEVER, resource$)
    const subscription = both$.subscribe()
    resource$.next('r')
    subscription.unsubscribe()
    expect(log).toEqual(['user', 'resource'])
  })

  it('lets the resource go after its user when it is unsubscribed from', () => {
    const { log, both$ } = world(NEVER)
    both$.subscribe().unsubscribe()
    expect(log).toEqual(['user', 'resource'])
  })

  it('lets the resource go after its user when who listens has had enough, within the first value too', () => {
    const use$ = new Subject<string>()
    const late = world(use$)
    late.both$.pipe(take(2)).subscribe()
    use$.next('a')
    expect(late.log).toEqual(['user', 'resource'])
    const { log, both$ } = world(NEVER)
    both$.pipe(take(1)).subscribe()
    expect(log).toEqual(['user', 'resource'])
  })

  it('lets both go when the user fails, and when the resource does', () => {
    const user = world(throwError(() => new Error('of the user')))
    user.both$.subscribe({ error: () => undefined })
    expect(user.log).toEqual(['user', 'resource'])
    const resource$ = new Subject<string>()
    const { log, both$ } = world(NEVER, resource$)
    both$.subscribe({ error: () => undefined })
    resource$.next('r')
    resource$.error(new Error('of the resource'))
    expect(log).toEqual(['user', 'resource'])
  })

  it('goes on with a new resource, and completes when both have', () => {
    marbles(({ hot, cold, expectObservable }) => {
      const resource$ = hot('-r----s-|')
      const use = (resource: string): Observable<string> => cold(resource === 'r' ? 'a--b--c' : 'd---|')
      expectObservable(usingValue$(resource$, use)).toBe('-a--b-d---|')
      expectObservable(usingValue$(EMPTY, use)).toBe('|')
      expectObservable(
        usingValue$(
          throwError(() => 'lost'),
          use,
        ),
      ).toBe('#', undefined, 'lost')
    })
  })
})
