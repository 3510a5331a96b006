/**
 * Who may talk to a loopback listener. The request's own headers decide: browsers cannot forge `Host`, `Origin` and
 * `Sec-Fetch-*` from a page, and programs that send none of the latter (curl, VLC) are the user's own.
 */

/** The headers that matter, as received: `host` with every value, so that a doubled one is seen. */
export interface GuardedRequest {
  readonly method: string
  readonly host: readonly string[]
  readonly origin: string | undefined
  readonly secFetchSite: string | undefined
  readonly secFetchMode: string | undefined
  readonly secFetchDest: string | undefined
  readonly secFetchUser: string | undefined
}

export type GuardDecision =
  | 'allow'
  /** 421, and the socket is closed: the name is not ours, so the page behind it may be anybody's (DNS rebinding). */
  | 'misdirected'
  /** 403: a page of another origin asks. */
  | 'forbidden'
  /** A navigation from elsewhere that no click of the user started: show a page to confirm, do nothing. */
  | 'confirm'

/** `127.0.0.1:p`, `localhost:p` and `[::1]:p`; without the port too where it is HTTP's own. */
export function loopbackHosts(port: number): readonly string[] {
  const names = ['127.0.0.1', 'localhost', '[::1]']
  return port === 80 ? [...names, ...names.map(name => `${name}:80`)] : names.map(name => `${name}:${port}`)
}

/** The `Host` rule alone: exactly one value, and it is in the list. */
export function isOwnHost(host: readonly string[], own: readonly string[]): boolean {
  return host.length === 1 && own.includes(host[0]!.toLowerCase())
}

/**
 * Judges a request to the proxy or to the data server by `hosts`, the exact list of its own names.
 * A page's request passes only from one of these origins; a top-level GET navigation from elsewhere passes when the
 * user clicked, else it is to be confirmed.
 */
export function judgeRequest(request: GuardedRequest, hosts: readonly string[]): GuardDecision {
  if (!isOwnHost(request.host, hosts)) return 'misdirected'
  const { origin, secFetchSite: site } = request
  if (origin !== undefined && !hosts.some(host => origin.toLowerCase() === `http://${host}`)) return 'forbidden'
  if (site === undefined || site === 'none' || site === 'same-origin') return 'allow'
  const navigates = request.secFetchMode === 'navigate' && request.secFetchDest === 'document'
  if (!navigates || (request.method !== 'GET' && request.method !== 'HEAD')) return 'forbidden'
  return request.secFetchUser === '?1' ? 'allow' : 'confirm'
}

/**
 * Judges a request that reached the data server through a peer's connection. Its `Host` names the consumer's own
 * tunnel, so any loopback name passes, and links from the consumer's dashboard are `same-site` there.
 */
export function judgeTunnelledRequest(request: GuardedRequest): GuardDecision {
  const host = request.host[0]?.toLowerCase().replace(/:\d{1,5}$/, '')
  const loopback =
    host === '127.0.0.1' || host === '[::1]' || host === 'localhost' || host?.endsWith('.localhost') === true
  if (request.host.length !== 1 || !loopback) return 'misdirected'
  return request.secFetchSite === 'cross-site' && request.secFetchMode !== 'navigate' ? 'forbidden' : 'allow'
}
