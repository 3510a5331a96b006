/** How much a client wants `type`, 0 to 1, after RFC 9110 section 12.5.1: the most specific range decides. */
function quality(ranges: readonly { readonly range: string; readonly weight: number }[], type: string): number {
  const family = `${type.slice(0, type.indexOf('/'))}/*`
  for (const candidate of [type, family, '*/*']) {
    const found = ranges.find(({ range }) => range === candidate)
    if (found !== undefined) return found.weight
  }
  return 0
}

/**
 * The offered media type that an `Accept` header wants most; the earlier one when two are wanted alike, and the first
 * when there is no header or nothing fits (an answer in another type beats none).
 */
export function preferredType<T extends string>(accept: string | undefined, offered: readonly [T, ...T[]]): T {
  const ranges = (accept ?? '*/*').split(',', 64).map(item => {
    const [range = '', ...parameters] = item.split(';').map(part => part.trim().toLowerCase())
    const given = parameters.find(parameter => parameter.startsWith('q='))
    const weight = given === undefined ? 1 : Number(given.slice(2))
    return { range, weight: weight >= 0 && weight <= 1 ? weight : 0 }
  })
  return offered.reduce((best, type) => (quality(ranges, type) > quality(ranges, best) ? type : best))
}
