/**
 * Which headers pass between the user's browser and another person's server, where both appear on one origin
 * (`/inline/nickname/`).
 */

/** Headers as Node gives them: lower-case names. */
export type HeaderMap = Readonly<Record<string, string | readonly string[] | undefined>>

/** They concern one connection only (RFC 9110, section 7.6.1). */
const hopByHop = ['keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer']

/** What `Connection` names concerns one connection only, too. */
function namedByConnection(headers: HeaderMap): readonly string[] {
  const listed = String(headers['connection'] ?? '')
  return listed.split(',', 64).map(name => name.trim().toLowerCase())
}

/** These belong to `Connection` itself or to the framing of the message, whoever names them. */
const kept = new Set(['', 'close', 'upgrade', 'connection', 'content-length', 'transfer-encoding', 'host'])

function connectionHeaders(headers: HeaderMap): readonly string[] {
  return [...hopByHop, ...namedByConnection(headers).filter(name => !kept.has(name))]
}

/**
 * The request headers that must not travel: those of the connection, and the cookies, which a browser sends to every
 * port of 127.0.0.1 and which are none of the other person's business.
 */
export function requestHeadersToDrop(headers: HeaderMap): readonly string[] {
  return [...connectionHeaders(headers), 'cookie', 'expect', 'http2-settings']
}

/** Each would let a remote answer act on this origin, or beyond the life of the connection. */
const powers = new Set([
  'set-cookie',
  'set-cookie2',
  'service-worker-allowed',
  'clear-site-data',
  'strict-transport-security',
  'alt-svc',
  'nel',
  'report-to',
  'reporting-endpoints',
  'content-security-policy-report-only',
  'origin-agent-cluster',
  'sourcemap',
  'x-sourcemap',
])

/** Media that no browser runs code from. Everything else is put in a sandbox. */
const inert = /^(?:audio\/|video\/|text\/plain\b|image\/(?!svg))/i

/**
 * What is passed on of another person's answer: without hop-by-hop headers, cookies, CORS and other powers over the
 * origin, and with the rules of this origin. A page in it gets no script and an origin of its own.
 */
export function remoteHeaders(headers: HeaderMap): Record<string, string | string[] | undefined> {
  const dropped = new Set(connectionHeaders(headers))
  const passed = Object.entries(headers).filter(
    ([name]) => !dropped.has(name) && !powers.has(name) && !name.startsWith('access-control-'),
  )
  const sandbox = inert.test(String(headers['content-type'] ?? '')) ? '' : 'sandbox allow-downloads; '
  return {
    ...(Object.fromEntries(passed) as Record<string, string | string[] | undefined>),
    'content-security-policy': `${sandbox}frame-ancestors 'none'`,
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  }
}
