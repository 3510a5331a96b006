/**
 * Who may talk to a loopback listener. The request's own headers decide: browsers cannot forge `Host`, `Origin` and
 * `Sec-Fetch-*` from a page, and programs that send none of the latter (curl, VLC) are the user's own.
 */

import { isNickname } from '../peer/nickname.js'

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

/** Where a tunnel listens, and under which names. */
export interface TunnelNames {
  readonly nickname: string
  readonly port: number
  /** The proxy's own, to which requests for other peers are sent. */
  readonly proxyPort: number
  /** Names beside its own, as `--allow-host` gives them. */
  readonly allowed: readonly string[]
}

/** Whether it is a name that may be allowed: a host name, with or without a port. */
export function isHostName(text: string): boolean {
  return /^[\w.-]+(?::\d{1,5})?$/.test(text)
}

/**
 * The names of a listener with the one that is asked for, if the user allowed it: with the port after a colon, or with any.
 * Names in lower case.
 */
export function withAllowed(
  own: readonly string[],
  { host: [host = ''] }: GuardedRequest,
  allowed: readonly string[],
): readonly string[] {
  const asked = host.toLowerCase()
  const isAllowed = allowed.some(name => asked === name || asked.replace(/:\d{1,5}$/, '') === name)
  return isAllowed ? [...own, asked] : own
}

/** Whether a TLS client that asks for this name means the tunnel: without ports, which TLS does not name. */
export function isTunnelName(name: string, { nickname, allowed }: TunnelNames): boolean {
  const asked = name.toLowerCase()
  const hosts = allowed.map(host => host.replace(/:\d{1,5}$/, ''))
  return ['localhost', `${nickname}.localhost`, ...hosts].includes(asked)
}

/** The host under which browsers see this peer's share: one of its own, so that nothing a page keeps outlives it. */
export function ownHost({ nickname, port }: Pick<TunnelNames, 'nickname' | 'port'>): string {
  return `${nickname}.localhost:${port}`
}

/** The tunnel's own names, without those that the user allowed. */
export function tunnelHosts(names: Pick<TunnelNames, 'nickname' | 'port'>): readonly string[] {
  return [...loopbackHosts(names.port), ownHost(names)]
}

/**
 * Judges a request to a tunnel, as `judgeRequest` does by the tunnel's own names. A browser is sent on to the peer's own host,
 * and a request for another peer, whose port this was once, to the proxy. `path` is path and query as sent.
 */
export function judgeTunnelRequest(
  request: GuardedRequest,
  path: string,
  names: TunnelNames,
): GuardDecision | { readonly redirect: string } {
  const { nickname, port, proxyPort, allowed } = names
  const [host = ''] = request.host.map(name => name.toLowerCase())
  const other = new RegExp(`^([a-z0-9-]+)\\.localhost:${port}$`).exec(host)?.[1]
  if (request.host.length === 1 && other !== undefined && other !== nickname && isNickname(other))
    return { redirect: `http://127.0.0.1:${proxyPort}/proxy/${other}${path}` }
  const verdict = judgeRequest(request, withAllowed(tunnelHosts(names), request, allowed))
  const isBrowser = request.secFetchDest !== undefined
  return verdict === 'allow' && isBrowser && loopbackHosts(port).includes(host)
    ? { redirect: `http://${ownHost(names)}${path}` }
    : verdict
}
