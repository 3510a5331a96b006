import { defer, identity as same, map, Observable, Subscription, switchMap, using } from 'rxjs'

/**
 * `using` for a resource that arrives: at the end what uses it is unsubscribed from first, and the resource after that.
 *
 *     resource$                 ---r-------------
 *     usingValue$(r$, use)      ----a--b--c--------     a, b, c are of use(r)
 *
 * With `resource$.pipe(switchMap(use))` it is the other way round, and a user that still has something to write when it ends
 * finds the file closed. Errors with either; completes when both have. Buffers nothing.
 */
export function usingValue$<Resource, Out>(
  resource$: Observable<Resource>,
  use: (resource: Resource) => Observable<Out>,
): Observable<Out> {
  return defer(() => {
    const held = new Subscription()
    // Subscribed to by an observer of its own, which the end of the subscriber does not end.
    const detached$ = new Observable<Resource>(subscriber => {
      const subscription = resource$.subscribe({
        next: resource => subscriber.next(resource),
        error: (error: unknown) => subscriber.error(error),
        complete: () => subscriber.complete(),
      })
      held.add(subscription)
    })
    return using(
      () => held,
      // `map` makes one subscriber of all users: one that comes later would be added, and end, after the resource.
      () => detached$.pipe(switchMap(use), map(same)),
    )
  })
}
