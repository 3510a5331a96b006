/**
 * The address in a peer's answer (`Location`), as the client of `/inline/nickname/…` has to see it. One that leads into
 * the peer's share is put under the mount; one that leads anywhere else is not passed on, since the client would follow it
 * as if this origin had sent it: to other peers, to other services of this machine, to other sites.
 */

/** Where an answer appears. */
export interface InlinePlace {
  readonly nickname: string
  /** The origin of the tunnel that was asked, `http://127.0.0.1:42001`. */
  readonly origin: string
  /** Path and query that were asked there. */
  readonly path: string
}

/** Bytes beyond ASCII, which Node reads as Latin-1, as they were sent. */
function escapeBytes(text: string): string {
  return text.replace(/[\x80-\xff]/g, byte => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** The absolute address that a reference in an answer means; undefined when it means none. */
export function resolveLink(
  reference: string,
  { origin, path }: Pick<InlinePlace, 'origin' | 'path'>,
): URL | undefined {
  try {
    return new URL(escapeBytes(reference), escapeBytes(origin + path))
  } catch {
    return undefined
  }
}

/** A reference as the client has to see it, from the root of the proxy; undefined when it leads out of the share. */
export function inlineLink(reference: string, place: InlinePlace): string | undefined {
  const target = resolveLink(reference, place)
  if (target === undefined || target.origin !== place.origin) return undefined
  return `/inline/${place.nickname}${target.pathname}${target.search}${target.hash}`
}

/** Whether a `Refresh` (HTML standard, shared declarative refresh steps) stays on the origin where it appears. */
export function refreshesWithin(value: string, origin: string, path: string): boolean {
  const match = /^\s*\d+[\d.]*\s*(?:[;,]\s*)?(?:url\s*=\s*)?(?:"([^"]*)|'([^']*)|(.*))/is.exec(value)
  if (match === null) return false
  const [, doubly, singly, plain] = match
  const reference = (doubly ?? singly ?? plain ?? '').trim()
  return resolveLink(reference, { origin, path })?.origin === origin
}

/** Where a redirect leads that must not be followed by itself; undefined when it is none, or leads into the share. */
export function redirectElsewhere(status: number, location: string | undefined, place: InlinePlace): URL | undefined {
  // 304 has its own meaning; programs follow any other one with a Location.
  if (location === undefined || status < 300 || status > 399 || status === 304) return undefined
  return inlineLink(location, place) === undefined ? resolveLink(location, place) : undefined
}
