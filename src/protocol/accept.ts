interface Weighted {
  readonly name: string
  /** 0 to 1; 0 for one that is not wanted, or whose weight is malformed. */
  readonly weight: number
}

/** The items of an `Accept` or `Accept-Encoding` header, in lower case. */
function parseWeighted(header: string): readonly Weighted[] {
  return header.split(',', 64).map(item => {
    const [name = '', ...parameters] = item.split(';').map(part => part.trim().toLowerCase())
    const given = parameters.find(parameter => parameter.startsWith('q='))
    const weight = given === undefined ? 1 : Number(given.slice(2))
    return { name, weight: weight >= 0 && weight <= 1 ? weight : 0 }
  })
}

/** The weight of the first candidate that the header names: the most specific one decides. */
function weightOf(items: readonly Weighted[], candidates: readonly string[]): number | undefined {
  const named = candidates.map(candidate => items.find(({ name }) => name === candidate))
  return named.find(item => item !== undefined)?.weight
}

/**
 * The offered media type that an `Accept` header (RFC 9110, section 12.5.1) wants most; the earlier one when two are wanted
 * alike, and the first when there is no header or nothing fits (an answer in another type beats none).
 */
export function preferredType<T extends string>(accept: string | undefined, offered: readonly [T, ...T[]]): T {
  const items = parseWeighted(accept ?? '*/*')
  const quality = (type: string): number => weightOf(items, [type, `${type.slice(0, type.indexOf('/'))}/*`, '*/*']) ?? 0
  return offered.reduce((best, type) => (quality(type) > quality(best) ? type : best))
}

/**
 * The offered content coding that an `Accept-Encoding` header (RFC 9110, section 12.5.3) wants most, the earlier one when two
 * are wanted alike. `identity`, which is no coding at all, when that is wanted more, nothing fits, or there is no header.
 */
export function preferredCoding<T extends string>(accept: string | undefined, offered: readonly T[]): T | 'identity' {
  const items = parseWeighted(accept ?? '')
  const quality = (coding: T): number => weightOf(items, [coding, '*']) ?? 0
  const identity = items.find(({ name }) => name === 'identity')?.weight ?? 0
  const acceptable = offered.filter(coding => quality(coding) > 0 && quality(coding) >= identity)
  return acceptable.toSorted((a, b) => quality(b) - quality(a))[0] ?? 'identity'
}
