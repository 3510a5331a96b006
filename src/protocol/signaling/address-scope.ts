/**
 * How far an IP address reaches, or `unusable` where nobody can be reached by it alone: unspecified, multicast, broadcast and
 * reserved ones. `shared` is what providers use inside their own networks (RFC 6598).
 */
export type AddressScope = 'public' | 'shared' | 'private' | 'link-local' | 'loopback' | 'unusable'

type Octets = readonly [number, number, number, number]

/** Four decimal numbers and nothing else: libraries read `0177.0.0.1` and `127.1` as loopback addresses. */
const v4Pattern = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/

function parseV4(text: string): Octets | undefined {
  const octets = v4Pattern.exec(text)?.slice(1).map(Number)
  return octets?.every(octet => octet <= 255) === true ? (octets as unknown as Octets) : undefined
}

/** The eight groups of an IPv6 address. */
function parseV6(text: string): readonly number[] | undefined {
  const tail = text.slice(text.lastIndexOf(':') + 1)
  const v4 = parseV4(tail)
  if (v4 !== undefined) {
    const [a, b, c, d] = v4
    const groups = [a * 256 + b, c * 256 + d].map(group => group.toString(16)).join(':')
    return parseV6(text.slice(0, text.length - tail.length) + groups)
  }
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [left, right] = halves.map(half => (half === '' ? [] : half.split(':')))
  const given = [...left!, ...(right ?? [])]
  const isWhole = right === undefined ? given.length === 8 : given.length < 8
  if (!isWhole || !given.every(group => /^[0-9a-f]{1,4}$/i.test(group))) return undefined
  const zeros = Array.from({ length: 8 - given.length }, () => '0')
  return [...left!, ...zeros, ...(right ?? [])].map(group => Number.parseInt(group, 16))
}

function scopeOfV4([a, b]: Octets): AddressScope {
  if (a === 127) return 'loopback'
  if (a === 10 || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168)) return 'private'
  if (a === 169 && b === 254) return 'link-local'
  if (a === 100 && b >= 64 && b <= 127) return 'shared'
  return a === 0 || a >= 224 ? 'unusable' : 'public'
}

function scopeOfV6(groups: readonly number[]): AddressScope {
  const [first = 0, second = 0, third = 0] = groups
  const inner = (at: number): AddressScope => {
    const [high = 0, low = 0] = groups.slice(at)
    return scopeOfV4([high >> 8, high & 0xff, low >> 8, low & 0xff])
  }
  const zerosAfter = (from: number): boolean => groups.slice(from, 6).every(group => group === 0)
  if (zerosAfter(0)) return groups[6] === 0 && groups[7] === 1 ? 'loopback' : 'unusable'
  // An IPv4 address in disguise reaches as far as that does; through NAT64 and 6to4 to public ones only.
  const publicOnly = (scope: AddressScope): AddressScope => (scope === 'public' ? scope : 'unusable')
  if (groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff) return inner(6)
  if (first === 0x64 && second === 0xff9b)
    return third === 1 ? 'private' : publicOnly(zerosAfter(2) ? inner(6) : 'unusable')
  if (first === 0x2002) return publicOnly(inner(1))
  if (first >= 0xff00) return 'unusable'
  if (first >= 0xfec0) return 'private'
  if (first >= 0xfe80) return 'link-local'
  return first >= 0xfc00 && first < 0xfe00 ? 'private' : 'public'
}

/**
 * The scope of an address as it is written, an IPv6 one without brackets and zone. Undefined for what is no address, and for
 * notations that only some libraries read as one.
 *
 * @see RFC 6890, RFC 4291, RFC 6052, RFC 3056
 */
export function addressScope(text: string): AddressScope | undefined {
  const v4 = parseV4(text)
  if (v4 !== undefined) return scopeOfV4(v4)
  const v6 = text.includes(':') ? parseV6(text) : undefined
  return v6 && scopeOfV6(v6)
}

/**
 * The network that an address is in, as most are cut: by its first 24 bits, or the first 64 of an IPv6 one. Undefined for what is no
 * address, and for those whose network is another one on each line.
 */
export function networkOf(text: string): string | undefined {
  const scope = addressScope(text)
  if (scope === undefined || scope === 'link-local' || scope === 'loopback') return undefined
  return (parseV4(text)?.slice(0, 3) ?? parseV6(text)!.slice(0, 4)).join(' ')
}

/** Labels with letters, digits and hyphens. The last one must not look like a number, which libraries read as IPv4. */
const namePattern =
  /^(?=.{1,253}\.?$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*(?!\d+\.?$|0x[0-9a-f]*\.?$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.?$/i

/** Endings of names that are given inside a network only (RFC 6761, 6762, 8375, 9476), and names without any dot. */
const localEndings = ['local', 'internal', 'home.arpa', 'lan']

/**
 * The scope of a host, a name or an address. That of a name depends on its ending: where it leads is known only to those who look
 * it up. Undefined for what is neither.
 */
export function hostScope(host: string): AddressScope | undefined {
  const scope = addressScope(host.replace(/^\[(.*)\]$/, '$1'))
  if (scope !== undefined) return scope
  if (!namePattern.test(host)) return undefined
  const name = host.toLowerCase().replace(/\.$/, '')
  if (name === 'localhost' || name.endsWith('.localhost')) return 'loopback'
  const isLocal = !name.includes('.') || localEndings.some(ending => name.endsWith(`.${ending}`))
  return isLocal ? 'private' : 'public'
}
