import type { IncomingMessage, ServerResponse } from 'node:http'
import { finalize, fromEvent, map, merge, type Observable, takeUntil } from 'rxjs'
import { sendProblem } from '../http/problem.node.js'

/** Streams at once. A dashboard needs one; browsers open at most six to one host. */
const maxEventStreams = 32

/** What a browser waits before it asks again after the stream broke. */
const retryMs = 2_000

/**
 * Server-sent events (HTML standard, section 9.2) of the newest snapshot. A client that does not read misses snapshots
 * and finds the newest when it reads on: at most one is waiting besides what Node's socket buffers (16 KiB).
 * More than 32 streams at once are refused with 503. Snapshots come each second, so that a client that vanished is noticed.
 *
 * @param snapshot$ sent as JSON in events called `stats`. Subscribed once for each client.
 * @param stop$ ends all streams when it emits.
 */
export function eventStream(
  snapshot$: Observable<unknown>,
  stop$: Observable<unknown>,
): (req: IncomingMessage, res: ServerResponse) => void {
  const message$ = snapshot$.pipe(map(snapshot => `event: stats\ndata: ${JSON.stringify(snapshot)}\n\n`))
  let open = 0
  return (req, res) => {
    if (open >= maxEventStreams) return sendProblem(req, res, tooMany)
    res.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-store' })
    if (req.method === 'HEAD') return void res.end()
    open += 1
    res.write(`retry: ${retryMs}\n\n`)
    message$
      .pipe(
        takeUntil(merge(stop$, fromEvent(res, 'close'))),
        finalize(() => (open -= 1)),
      )
      .subscribe({
        next: message => {
          if (!res.writableNeedDrain) res.write(message)
        },
        // The browser asks again, and finds out then whether it lasts.
        error: () => res.end(),
        complete: () => res.end(),
      })
  }
}

const tooMany = {
  status: 503,
  title: 'Too many event streams',
  detail: `${maxEventStreams} clients are listening already.`,
  next: 'Close a dashboard that you do not need, or poll GET /stats.',
}
