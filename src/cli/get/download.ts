import { catchError, concat, defer, finalize, from, ignoreElements, type Observable, of, repeat } from 'rxjs'
import { takeWhile, tap, throwError, timer } from 'rxjs'
import { backoffMs } from '../../protocol/signaling/backoff.js'
import { type Failure, toFailure } from '../failure.js'
import type { FailureCode } from '../exit-codes.js'
import { type Transfer, transfer, type TransferEvent } from './transfer.js'

/** What a download reports. */
export type DownloadEvent =
  | TransferEvent
  /** It broke, and goes on after the wait. */
  | { readonly type: 'waiting'; readonly failure: Failure; readonly waitMs: number }

/** When to give up. */
export interface DownloadLimits {
  /** Longest silence. Longer than the 20 s after which a seeder ends an unpaid connection and notifies the peer. */
  readonly stallMs: number
  /** Attempts in a row that bring nothing, before anything came at all: enough to replace a connection that is dead. */
  readonly firstAttempts: number
  /** The same afterwards; with the waits between them the other side has most of a minute to come back. */
  readonly fruitlessAttempts: number
  /** How often the file may be begun, all of which is paid for: other versions of it, or a server that cannot resume. */
  readonly beginnings: number
  /** The wait after so many fruitless attempts; 0 when the last one did bring something. */
  readonly waitMs: (fruitless: number) => number
}

export const downloadLimits: DownloadLimits = {
  stallMs: 60_000,
  firstAttempts: 3,
  fruitlessAttempts: 10,
  beginnings: 5,
  waitMs: fruitless => backoffMs(fruitless + 1, Math.random()),
}

/** May be otherwise a moment later, once it has worked: somebody restarts, a connection makes room, a hub is away. */
const passing = new Set<FailureCode>([
  'not-running',
  'not-answering',
  'hub-unreachable',
  'rate-limited',
  'peer-offline',
  'peer-refused',
  'peer-silent',
  'connect-timeout',
  'webrtc-failed',
  'channel-closed',
  'stream-reset',
  'unpaid',
  'too-many-streams',
  'too-many-connections',
  'no-tunnel-port',
])

/**
 * Fetches a file to where it goes, and goes on by itself when the connection breaks.
 *
 *     began received received waiting … began received whole|
 *
 * Starts when subscribed to, and completes after `whole`. A connection that breaks is tried again after a wait that
 * doubles, until too many attempts in a row brought nothing; a peer that cannot be reached only when something has come
 * from it before. Errors with what ended it. Unsubscribing ends the request. Holds a megabyte of the file.
 */
export function download$(
  options: Omit<Transfer, 'stallMs'>,
  limits: DownloadLimits = downloadLimits,
): Observable<DownloadEvent> {
  const { into } = options
  return defer(() => {
    let fruitless = 0
    // Of all versions: one that grows anew brings nothing before it is longer than what there was.
    let highest = into.length
    let beginnings = 0
    let isReached = false
    const goOn$ = (error: unknown): Observable<DownloadEvent> => {
      const failure = toFailure(error)
      const isPassing = failure.code === 'transfer-broken' || (isReached && passing.has(failure.code))
      fruitless = into.length > highest ? 0 : fruitless + 1
      highest = Math.max(highest, into.length)
      const most = isReached ? limits.fruitlessAttempts : limits.firstAttempts
      if (!isPassing || !into.canGoOn || fruitless >= most || beginnings >= limits.beginnings)
        return throwError(() => error)
      const waitMs = limits.waitMs(fruitless)
      return concat(of<DownloadEvent>({ type: 'waiting', failure, waitMs }), timer(waitMs).pipe(ignoreElements()))
    }
    return defer(() => {
      const abort = new AbortController()
      // Events only, taken synchronously: the bytes wait for the disk inside.
      return from(transfer({ ...options, stallMs: limits.stallMs }, abort.signal)).pipe(finalize(() => abort.abort()))
    }).pipe(
      tap(event => {
        if (event.type === 'received') isReached = true
        if (event.type === 'began' && event.from === 0) beginnings += 1
      }),
      catchError(goOn$),
      repeat(),
      takeWhile(({ type }) => type !== 'whole', true),
    )
  })
}
