import { type ByteRange, parseRanges } from './http-range.js'

/** The headers of a request that decide what of a file is sent. */
export interface FileRequest {
  readonly method: string
  readonly range: string | undefined
  readonly ifRange: string | undefined
  readonly ifMatch: string | undefined
  readonly ifNoneMatch: string | undefined
  readonly ifModifiedSince: string | undefined
  readonly ifUnmodifiedSince: string | undefined
}

/** What is known of the file. `etag` is strong, with its quotes. */
export interface FileVersion {
  readonly size: number
  readonly etag: string
  readonly modifiedMs: number
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

/** Whether a list of entity tags has this one; weakly compared, a `W/` before a tag means nothing. */
function lists(header: string, etag: string, weakly: boolean): boolean {
  if (header.trim() === '*') return true
  return (header.match(/(?:W\/)?"[^"]*"/g) ?? []).some(tag => (weakly ? tag.replace(/^W\//, '') : tag) === etag)
}

/** Whether a header holds a date and the file is newer than it; undefined when it holds none, and is to be ignored. */
function isNewerThan(header: string, modifiedMs: number): boolean | undefined {
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : toSeconds(modifiedMs) > toSeconds(date)
}

/** Whether the ranges hold good for what the client has already. A date does only when no later change can share it. */
function rangesApply(ifRange: string | undefined, version: FileVersion, nowMs: number): boolean {
  if (ifRange === undefined) return true
  if (ifRange.trim().startsWith('"')) return ifRange.trim() === version.etag
  const settled = nowMs - version.modifiedMs > 1000
  return settled && toSeconds(Date.parse(ifRange)) === toSeconds(version.modifiedMs)
}

/** What to answer to a GET or HEAD of a file: preconditions, then ranges, in the order of RFC 9110 section 13.2.2. */
export function answerFileRequest(request: FileRequest, version: FileVersion, nowMs: number): FileAnswer {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince, ifRange, range } = request
  const { etag, modifiedMs, size } = version
  if (ifMatch !== undefined) {
    if (!lists(ifMatch, etag, false)) return { type: 'precondition-failed' }
  } else if (ifUnmodifiedSince !== undefined && isNewerThan(ifUnmodifiedSince, modifiedMs) === true) {
    return { type: 'precondition-failed' }
  }
  if (ifNoneMatch !== undefined) {
    if (lists(ifNoneMatch, etag, true)) return { type: 'not-modified' }
  } else if (ifModifiedSince !== undefined && isNewerThan(ifModifiedSince, modifiedMs) === false) {
    return { type: 'not-modified' }
  }
  if (range === undefined || request.method !== 'GET' || !rangesApply(ifRange, version, nowMs)) return { type: 'whole' }
  const ranges = parseRanges(range, size)
  if (ranges === 'whole') return { type: 'whole' }
  return ranges === 'unsatisfiable' ? { type: 'unsatisfiable' } : { type: 'parts', ranges }
}
