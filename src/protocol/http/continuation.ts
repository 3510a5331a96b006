/**
 * How an answer goes on that broke in the middle: the rest is asked for, on the condition that it is still the same thing
 * (RFC 9110, sections 13.1.5 and 14), and is what the client would have received next.
 */
import type { ErrorCode } from '../errors.js'
import type { HeaderMap } from './remote-headers.js'

/** What is left of an answer, and how to tell that it is of the same thing. */
export interface Continuation {
  /** A strong validator: two answers with it have the same bytes. */
  readonly validator: string
  /** The bytes of the whole thing that the answer has, both ends included. */
  readonly start: number
  readonly end: number
  /** Of how many. */
  readonly total: number
}

/** Bytes of a `Content-Range` with a known end and size. */
function parseContentRange(value: unknown): Omit<Continuation, 'validator'> | undefined {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/i.exec(String(value).trim())
  if (match === null) return undefined
  const [start = 0, end = 0, total = 0] = match.slice(1).map(Number)
  return start <= end && end < total ? { start, end, total } : undefined
}

/** Changes within a minute of the answer may not show in `Last-Modified` (RFC 9110, section 8.8.2.2). */
const strongAfterMs = 60_000

/** A strong entity tag, or a modification time that is old enough to be one. */
function strongValidator({ etag, date, 'last-modified': modified }: HeaderMap): string | undefined {
  if (typeof etag === 'string') return /^"[^"]*"$/.test(etag) ? etag : undefined
  if (typeof modified !== 'string' || typeof date !== 'string') return undefined
  return Date.parse(date) - Date.parse(modified) >= strongAfterMs ? modified : undefined
}

/** How the answer to this request can go on; undefined where it cannot. */
export function continuationOf(
  request: { readonly method?: string | undefined },
  answer: { readonly status: number; readonly headers: HeaderMap },
): Continuation | undefined {
  const { status, headers } = answer
  const validator = strongValidator(headers)
  if (request.method !== 'GET' || validator === undefined) return undefined
  if (status === 206) {
    const range = parseContentRange(headers['content-range'])
    return range && { validator, ...range }
  }
  const length = /^\d+$/.exec(String(headers['content-length']))?.[0]
  if (status !== 200 || length === undefined || headers['accept-ranges'] === 'none' || Number(length) === 0)
    return undefined
  return { validator, start: 0, end: Number(length) - 1, total: Number(length) }
}

/** What is left after so many bytes of it; undefined when that is nothing. */
export function restOf(continuation: Continuation, receivedBytes: number): Continuation | undefined {
  const start = continuation.start + receivedBytes
  return start > continuation.end ? undefined : { ...continuation, start }
}

/** The headers of a request for what is left, made of those of the first one. */
export function continuedHeaders<T extends HeaderMap>(
  headers: T,
  { start, end, total, validator }: Continuation,
): T & HeaderMap {
  const conditions = new Set(['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'])
  const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => !conditions.has(name))) as T
  return { ...kept, range: `bytes=${start}-${end === total - 1 ? '' : end}`, 'if-range': validator }
}

/** Whether this answer is exactly what is left: the same bytes of the same thing. */
export function continues(
  continuation: Continuation,
  { status, headers }: { readonly status: number; readonly headers: HeaderMap },
): boolean {
  const range = parseContentRange(headers['content-range'])
  const { validator, start, end, total } = continuation
  const sameVersion = [headers['etag'], headers['last-modified']].includes(validator)
  return status === 206 && sameVersion && range?.start === start && range.end === end && range.total === total
}

/** Failures that may be over in a moment: the path, the other peer or its service went away. */
const passing: ReadonlySet<ErrorCode> = new Set([
  'channel-closed',
  'connect-timeout',
  'hub-unreachable',
  'peer-offline',
  'peer-silent',
  'rate-limited',
  'session-replaced',
  'stream-reset',
  'unpaid',
  'webrtc-failed',
])

/** Whether it makes sense to try again after a failure of that code. */
export function isPassing(code: ErrorCode): boolean {
  return passing.has(code)
}
