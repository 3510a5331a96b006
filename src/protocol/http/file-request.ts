import { httpDate } from './date.js'
import { type ByteRange, parseRanges } from './range.js'

/** The headers of a request that name versions. Dates are ignored for what has none. */
export interface Conditions {
  readonly ifMatch: string | undefined
  readonly ifNoneMatch: string | undefined
  readonly ifModifiedSince?: string | undefined
  readonly ifUnmodifiedSince?: string | undefined
}

/** What of a request decides what of a file is sent. */
export interface FileRequest extends Conditions {
  readonly method: string
  readonly range: string | undefined
  readonly ifRange: string | undefined
}

/** What is known of the file. `etag` is strong, with its quotes. */
export interface FileVersion {
  readonly size: number
  readonly etag: string
  /** The last moment at which its bytes can have changed. */
  readonly changedMs: number
  /** Two changes within so many milliseconds can have the same time. */
  readonly tickMs: number
}

/** What to answer. Only `whole` and `parts` carry bytes of the file; a HEAD gets neither. */
export type FileAnswer =
  | { readonly type: 'whole' }
  | { readonly type: 'parts'; readonly ranges: readonly ByteRange[] }
  | { readonly type: 'not-modified' }
  | { readonly type: 'precondition-failed' }
  | { readonly type: 'unsatisfiable' }

/** HTTP's dates have whole seconds. */
function toSeconds(ms: number): number {
  return Math.floor(ms / 1000)
}

/**
 * The `Last-Modified` of a version. None while the second of the change lasts, since another change in it would have the same
 * date; so whoever knows a date knows the last version that had it. None from the future either (RFC 9110, 8.8.2.1).
 */
export function lastModified({ changedMs, tickMs }: FileVersion, nowMs: number): string | undefined {
  return toSeconds(changedMs) < toSeconds(nowMs - tickMs) ? httpDate(changedMs) : undefined
}

/** Whether a list of entity tags has this one; weakly compared, a `W/` before a tag means nothing. */
function lists(header: string, etag: string, weakly: boolean): boolean {
  if (header.trim() === '*') return true
  return (header.match(/(?:W\/)?"[^"]*"/g) ?? []).some(tag => (weakly ? tag.replace(/^W\//, '') : tag) === etag)
}

/** Whether a header holds a date and the file is newer than it; undefined when it holds none, and is to be ignored. */
function isNewerThan(header: string, changedMs: number): boolean | undefined {
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : toSeconds(changedMs) > toSeconds(date)
}

/** Whether the ranges hold good for what the client has already: it names the same version. */
function rangesApply(ifRange: string | undefined, version: FileVersion, nowMs: number): boolean {
  return ifRange === undefined || [version.etag, lastModified(version, nowMs)].includes(ifRange.trim())
}

/** Whether a GET or HEAD is not to get what it asks for, as it names another version, or has this one (RFC 9110, 13.2.2). */
export function judgeConditions(
  { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince }: Conditions,
  etag: string,
  changedMs = 0,
): 'precondition-failed' | 'not-modified' | undefined {
  if (ifMatch !== undefined) {
    if (!lists(ifMatch, etag, false)) return 'precondition-failed'
  } else if (ifUnmodifiedSince !== undefined && isNewerThan(ifUnmodifiedSince, changedMs) === true) {
    return 'precondition-failed'
  }
  if (ifNoneMatch !== undefined) return lists(ifNoneMatch, etag, true) ? 'not-modified' : undefined
  const isKnown = ifModifiedSince !== undefined && isNewerThan(ifModifiedSince, changedMs) === false
  return isKnown ? 'not-modified' : undefined
}

/** What to answer to a GET or HEAD of a file: preconditions, then ranges. */
export function answerFileRequest(request: FileRequest, version: FileVersion, nowMs: number): FileAnswer {
  const type = judgeConditions(request, version.etag, version.changedMs)
  if (type !== undefined) return { type }
  const { ifRange, range, method } = request
  if (range === undefined || method !== 'GET' || !rangesApply(ifRange, version, nowMs)) return { type: 'whole' }
  const ranges = parseRanges(range, version.size)
  if (ranges === 'whole') return { type: 'whole' }
  return ranges === 'unsatisfiable' ? { type: 'unsatisfiable' } : { type: 'parts', ranges }
}
