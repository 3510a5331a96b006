import { addressScope, type AddressScope } from './address-scope.js'

/** Candidates of the other side that are accepted; more would be a probe of somebody's network. */
export const maxRemoteCandidates = 40

/**
 * `candidate-attribute` of RFC 8839 with single spaces, for the one component that a data channel has and over UDP. Candidates over
 * TCP would have this peer open connections to any address; no implementation here connects by them.
 */
const pattern =
  /^candidate:[A-Za-z0-9+/]{1,32} 1 udp \d{1,10} ([0-9A-Fa-f.:]{2,45}) (\d{1,5}) typ (?:host|srflx|prflx|relay)(?: [^\s]{1,256} [^\s]{1,256})*$/i

/**
 * Whether this peer may send to an address that somebody else named. Loopback and link-local addresses mean another machine there
 * than here, so they are taken only where the hub itself is reached by one: both peers are on that machine or link then.
 */
function isAllowed(scope: AddressScope | undefined, hub: AddressScope): boolean {
  if (scope === 'loopback' || scope === 'link-local') return scope === hub
  return scope !== undefined && scope !== 'unusable'
}

/** The ports that WebRTC in Chromium allows: below 1024 only those of the web, and not on private addresses. */
function isPort(port: number, scope: AddressScope): boolean {
  return (port >= 1024 && port <= 65_535) || ((port === 80 || port === 443) && scope === 'public')
}

/**
 * A candidate that may be handed to WebRTC, without the prefix that it has in a description; undefined for any other. Names are none:
 * looking up a name that somebody else chose reveals who asks, and may lead anywhere. So those of mDNS (`.local`) are dropped too;
 * a browser that hides its address behind one is found by its own checks.
 */
export function passCandidate(line: string, hub: AddressScope): string | undefined {
  const text = line.replace(/^a=/, '')
  const [, address = '', port] = pattern.exec(text) ?? []
  const scope = addressScope(address)
  return scope !== undefined && isAllowed(scope, hub) && isPort(Number(port), scope) ? text : undefined
}

/** Lines of a description that name addresses besides candidates, and that no data channel needs. */
const otherAddresses = /^a=(?:remote-candidates|rtcp):/i

/**
 * A description with no addresses but those of candidates that may be handed to WebRTC, at most `most` of them, and how many these
 * are. Everything that a library may take for the end of a line is one.
 */
export function passDescription(
  sdp: string,
  hub: AddressScope,
  most: number,
): { readonly sdp: string; readonly candidates: number } {
  let candidates = 0
  const passLine = (line: string): readonly string[] => {
    if (/^\s*a\s*=\s*candidate/i.test(line)) {
      const candidate = candidates < most ? passCandidate(line.trimEnd(), hub) : undefined
      if (candidate === undefined) return []
      candidates++
      return [`a=${candidate}`]
    }
    if (/^\s*c\s*=/i.test(line)) return ['c=IN IP4 0.0.0.0']
    return otherAddresses.test(line.trimStart()) ? [] : [line]
  }
  const lines = sdp.split(/\r\n|[\r\n\u2028\u2029\0]/).flatMap(passLine)
  return { sdp: lines.join('\r\n'), candidates }
}
