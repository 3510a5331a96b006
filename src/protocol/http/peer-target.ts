/**
 * Request targets that name a peer: `/proxy/bob/films/a%2Fb.mp4?t=1`. What follows the nickname is carried as it was
 * sent, never decoded and encoded again, since only the other side knows what it means.
 */

/** Under which path of the proxy a peer's share appears. */
export type PeerMount = '/proxy' | '/inline'

/** Whom a request is for, and what it asks there. */
export interface PeerTarget {
  readonly mount: PeerMount
  /** As written; not yet checked to be a nickname. */
  readonly nickname: string
  /** Path and query as sent. Starts with exactly what followed the nickname, and always with a slash. */
  readonly path: string
}

/** The path and query of a request target, without the scheme and host of the absolute form (RFC 9112, 3.2.2). */
export function requestPath(target: string): string {
  const rest = target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '')
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** Reads a request target; undefined when it is under neither mount, or has a character that no header may carry. */
export function parsePeerTarget(target: string): PeerTarget | undefined {
  const match = /^(\/proxy|\/inline)(?:\/([^/?#]*)(\/[^?#]*)?|(?=[?#]|$))(.*)$/.exec(requestPath(target))
  if (match === null || /[^\x21-\x7e\x80-\xff]/.test(target)) return undefined
  const [, mount, nickname = '', path = '/', query = ''] = match
  return { mount: mount as PeerMount, nickname, path: `${path}${query}` }
}
