/** What the other side's answer to a request for a file means. Pure: headers in, what to do with the body out. */
import type { IncomingHttpHeaders } from 'node:http'
import { CommandFailure } from '../failure.js'

/** Which version of a file it is, and how long. */
export interface Version {
  /** A strong entity tag with its quotes; without one nothing can be resumed. */
  readonly etag: string | undefined
  readonly size: number | undefined
}

/** What is there already: so many bytes of that version. */
export interface Held {
  readonly from: number
  readonly version: Version & { readonly etag: string }
}

/** What to do with the body. */
export type BodyAction =
  /** It is the whole file. */
  | { readonly type: 'begin'; readonly version: Version }
  /** It goes on where we are. */
  | { readonly type: 'append'; readonly version: Version }
  /** Nothing is missing. */
  | { readonly type: 'complete' }
  /** There is no such part: ask for the whole. What is held stays until that comes. */
  | { readonly type: 'ask-whole' }

/** A strong entity tag that a header can carry. */
export function isStrongTag(text: unknown): text is string {
  return typeof text === 'string' && text.length <= 1024 && /^"[\x21\x23-\x7e\x80-\xff]*"$/.test(text)
}

/** The headers that ask for what is missing, if the file is still the same one. */
export function resumeHeaders(held: Held | undefined): Readonly<Record<string, string>> {
  return held === undefined ? {} : { range: `bytes=${held.from}-`, 'if-range': held.version.etag }
}

function lengthOf({ 'content-length': length }: IncomingHttpHeaders): number | undefined {
  return length === undefined ? undefined : Number(length)
}

function judgePart(headers: IncomingHttpHeaders, held: Held | undefined): BodyAction {
  const wrong = (what: string): CommandFailure => new CommandFailure('not-as-announced', what)
  const sentRange = headers['content-range'] ?? ''
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(sentRange)
  if (held === undefined || range === null) throw wrong('it sent a range that was not requested')
  const [first, last] = [Number(range[1]), Number(range[2])]
  const { etag } = held.version
  const size = held.version.size ?? (range[3] === '*' ? last + 1 : Number(range[3]))
  if (first !== held.from || last !== size - 1 || (range[3] !== '*' && Number(range[3]) !== size)) {
    throw wrong(`bytes ${held.from} to ${size - 1} of ${size} were requested, and it sent "${sentRange}"`)
  }
  if ((lengthOf(headers) ?? last - first + 1) !== last - first + 1)
    throw wrong(`the length of "${sentRange}" does not match`)
  // A range without an ETag cannot be compared, so it is not appended.
  if (headers.etag === undefined) throw wrong('it sent a range without an ETag')
  if (headers.etag !== etag) throw wrong('the range is from another version of the file')
  return { type: 'append', version: { etag, size } }
}

/**
 * Judges a status with its headers by what was held when it was asked for. Throws `not-as-announced` when a part does not
 * fit, `not-a-file`, `no-such-file`, `transfer-broken` for what may pass, and `unexpected-answer`.
 */
export function judgeAnswer(status: number, headers: IncomingHttpHeaders, held: Held | undefined): BodyAction {
  const { etag, location } = headers
  if (status === 200) {
    return { type: 'begin', version: { etag: isStrongTag(etag) ? etag : undefined, size: lengthOf(headers) } }
  }
  if (status === 206) return judgePart(headers, held)
  if (status === 416 && held !== undefined) {
    const size = /^bytes \*\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1]
    const isWhole = Number(size) === held.from && held.from === (held.version.size ?? held.from)
    return isWhole ? { type: 'complete' } : { type: 'ask-whole' }
  }
  if (status >= 300 && status < 400 && /^[^?#]*\/(?:[?#]|$)/.test(location ?? '')) {
    throw new CommandFailure('not-a-file', 'it is a folder, and get takes one file')
  }
  if (status === 404) throw new CommandFailure('no-such-file', 'there is no such file in the share')
  if (status >= 502 && status <= 504) {
    throw new CommandFailure('transfer-broken', `the other side cannot send it now (status ${status})`)
  }
  throw new CommandFailure('unexpected-answer', `the other side answers with status ${status} instead of a file`)
}
