import { type Agent, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { fromEvent, map, Observable, retry, takeUntil, throwError, timeout, timer } from 'rxjs'
import { isLighthouseError, LighthouseError } from '../../protocol/errors.js'
import { type Continuation, continuedHeaders, continues, isPassing, restOf } from '../../protocol/http/continuation.js'
import type { PassedHeaders } from '../../protocol/http/remote-headers.js'

/** How long an answer may stand still before it breaks. */
const patienceMs = 60_000

/** Between attempts: one that fails at once would be made again at once. */
const pauseMs = 1_000

/** Whether the stream broke under a body of which only its end tells that it is over (RFC 9112, section 6.3). */
function isCutOff({ headers, socket }: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': coding } = headers
  return socket.errored != null && length === undefined && coding === undefined
}

/**
 * Streams an answer to its client and ends it when it is whole. When it breaks before, `broken` is called with how many bytes have
 * been delivered. Held: what Node buffers for the two ends.
 */
export function relay(received: IncomingMessage, res: ServerResponse, broken: (deliveredBytes: number) => void): void {
  let deliveredBytes = 0
  received.on('data', (chunk: Buffer) => (deliveredBytes += chunk.length))
  // The headers of a body that takes its time are not to wait for it; with one that is there they are one packet.
  setImmediate(() => {
    if (deliveredBytes === 0 && !res.writableEnded && !res.destroyed) res.flushHeaders()
  })
  received.pipe(res, { end: false })
  received.once('end', () => {
    if (isCutOff(received)) return broken(deliveredBytes)
    const trailers = Object.entries(received.trailers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]],
    )
    if (trailers.length > 0) res.addTrailers(Object.fromEntries(trailers) as Record<string, string>)
    res.end()
  })
  received.once('close', () => {
    received.unpipe(res)
    if (!received.complete && !res.destroyed) broken(deliveredBytes)
  })
}

/** A GET request. Emits its answer, and completes when that is over; unsubscribing ends both. Errors when there is no answer. */
function answer$({
  agent,
  path,
  headers,
}: Pick<BrokenAnswer, 'agent' | 'path' | 'headers'>): Observable<IncomingMessage> {
  return new Observable(subscriber => {
    const outgoing = request({ agent, path, headers })
    let answered = false
    outgoing.once('response', received => {
      answered = true
      subscriber.next(received)
    })
    // After the answer it is its reader who sees the end, and goes on: asking again here as well would answer twice.
    outgoing.on('error', error => (answered ? subscriber.complete() : subscriber.error(error)))
    outgoing.once('close', () => subscriber.complete())
    outgoing.end()
    return () => outgoing.destroy()
  })
}

/** An answer that broke in the middle. */
export interface BrokenAnswer {
  readonly agent: Agent
  readonly path: string
  /** Those of the request. */
  readonly headers: PassedHeaders
  readonly res: ServerResponse
  readonly continuation: Continuation
  readonly deliveredBytes: number
  /** Why it broke, where that is known. */
  readonly cause: unknown
  /** Breaks the client's connection, so that it cannot take what it has for the whole. */
  readonly breakOff: () => void
}

/** The other side answers, and cannot give what is asked now. */
function isBusy({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode === 502 || statusCode === 503 || statusCode === 504
}

/**
 * Goes on with an answer from where it broke, on the same response: the client does not notice. The rest is asked for again each
 * second, for 60 s; each request has a connection made where there is none. When it has changed meanwhile, or the time is over, the
 * client's connection is broken.
 */
export function continueAnswer(broken: BrokenAnswer): void {
  const { headers, res, continuation, deliveredBytes, cause, breakOff } = broken
  const rest = restOf(continuation, deliveredBytes)
  if (rest === undefined) return void res.end()
  if (isLighthouseError(cause) && !isPassing(cause.code)) return breakOff()
  const changed = new LighthouseError('stream-reset', 'what was being sent has changed')
  answer$({ ...broken, headers: continuedHeaders(headers, rest) })
    .pipe(
      map(received => {
        if (continues(rest, { status: received.statusCode ?? 0, headers: received.headers })) return received
        throw isBusy(received) ? new LighthouseError('peer-offline', 'the other side is busy') : changed
      }),
      retry({
        delay: error =>
          error !== changed && (!isLighthouseError(error) || isPassing(error.code))
            ? timer(pauseMs)
            : throwError(() => error),
      }),
      timeout({ first: patienceMs }),
      takeUntil(fromEvent(res, 'close')),
    )
    .subscribe({
      next: received =>
        relay(received, res, more =>
          continueAnswer({ ...broken, continuation: rest, deliveredBytes: more, cause: received.socket.errored }),
        ),
      error: breakOff,
    })
}
