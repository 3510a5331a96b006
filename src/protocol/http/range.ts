/** Bytes `start` to `end`, both included. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/**
 * Most ranges of one request. Readers of media and of archives ask for a handful; a header with more than these is not
 * honoured (RFC 9110 section 14.2 allows to ignore it) and the whole file is sent.
 */
export const maxRanges = 32

/** One range of the header: a `ByteRange`, undefined when it lies outside the file, or null when it is malformed. */
function parseRange(text: string, size: number): ByteRange | undefined | null {
  const match = /^(\d*)-(\d*)$/.exec(text)
  if (match === null) return null
  const [, first = '', last = ''] = match
  if (first === '') {
    if (last === '') return null
    const length = Math.min(Number(last), size)
    return length === 0 ? undefined : { start: size - length, end: size - 1 }
  }
  const start = Number(first)
  const end = last === '' ? Infinity : Number(last)
  if (end < start) return null
  return start < size ? { start, end: Math.min(end, size - 1) } : undefined
}

/** Overlapping and touching ranges become one, at the place of the first; so no byte is sent twice. */
function coalesce(ranges: readonly ByteRange[]): readonly ByteRange[] {
  return ranges.reduce<readonly ByteRange[]>((merged, range) => {
    const touches = (other: ByteRange): boolean => other.start <= range.end + 1 && range.start <= other.end + 1
    const place = merged.findIndex(touches)
    if (place < 0) return [...merged, range]
    const group = [range, ...merged.filter(touches)]
    const joined = { start: Math.min(...group.map(g => g.start)), end: Math.max(...group.map(g => g.end)) }
    return merged.flatMap((other, index) => (index === place ? [joined] : touches(other) ? [] : [other]))
  }, [])
}

/**
 * The ranges that a `Range` header asks of a file of `size` bytes, in its order, coalesced. `'whole'` when the header
 * is to be ignored: another unit, malformed, or too many ranges. `'unsatisfiable'` when every range lies outside.
 */
export function parseRanges(header: string, size: number): readonly ByteRange[] | 'whole' | 'unsatisfiable' {
  const set = /^bytes=(.*)$/i.exec(header.trim())?.[1]
  if (set === undefined) return 'whole'
  const texts = set
    .split(',')
    .map(text => text.trim())
    .filter(text => text !== '')
  if (texts.length === 0 || texts.length > maxRanges) return 'whole'
  const parsed = texts.map(text => parseRange(text, size))
  if (parsed.includes(null)) return 'whole'
  // The end of an empty file is all of it, and no Content-Range can express that (RFC 9110 section 14.1.2).
  if (size === 0 && texts.some(text => /^-0*[1-9]/.test(text))) return 'whole'
  const ranges = parsed.filter(range => range !== undefined && range !== null)
  return ranges.length === 0 ? 'unsatisfiable' : coalesce(ranges)
}
