/**
 * Which headers pass between the user's programs and another person's server: on a tunnel, and where both appear on one origin
 * (`/inline/nickname/`).
 */
import { type InlinePlace, inlineLink, refreshesWithin } from './inline-links.js'

/** Headers as Node gives them: lower-case names. */
export type HeaderMap = Readonly<Record<string, string | readonly string[] | undefined>>

/** Headers to pass on, for Node. */
export type PassedHeaders = Record<string, string | string[]>

/** They concern one connection only (RFC 9110, section 7.6.1), and so does every `Proxy-` one. */
const hopByHop = new Set(['connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade'])

/** These frame or address the message, whatever `Connection` says: dropping them would change its meaning. */
const framing = new Set(['content-length', 'host'])

/** Headers without those of the connection: the ones known, and the ones that `Connection` names. */
function endToEnd(headers: HeaderMap): PassedHeaders {
  const listed = String(headers['connection'] ?? '').split(',', 64)
  const named = new Set(listed.map(name => name.trim().toLowerCase()).filter(name => !framing.has(name)))
  const passed = Object.entries(headers).filter(
    ([name, value]) => value !== undefined && !hopByHop.has(name) && !name.startsWith('proxy-') && !named.has(name),
  )
  return Object.fromEntries(passed) as PassedHeaders
}

/** What makes a message ask for WebSocket, or agree to it. */
const webSocket = { connection: 'Upgrade', upgrade: 'websocket' }

/**
 * The request headers that travel: not those of the connection, nor the cookies, which a browser sends to every
 * port of 127.0.0.1 and which are none of the other person's business. `Expect` is for who waits for the answer.
 */
export function requestHeaders(headers: HeaderMap, upgrades: boolean): PassedHeaders {
  const { cookie: _cookie, expect: _expect, 'http2-settings': _settings, ...passed } = endToEnd(headers)
  return upgrades ? { ...passed, ...webSocket } : passed
}

/** Each would let a remote answer act on this origin, beyond the life of the connection, or by an address that leads elsewhere. */
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
  'origin-trial',
  'sourcemap',
  'x-sourcemap',
  'speculation-rules',
  'use-as-dictionary',
  'accept-ch',
  'critical-ch',
])

/**
 * What a document in another person's answer may do. No browser runs code from audio, video, bitmaps and plain text, nor
 * from a PDF, whose viewer some browsers do not start in a sandbox. Everything else gets no script and an origin of its own.
 * Only one well-formed type counts: of several, browsers take the last. Types ending in `+xml` are documents.
 */
function documentPolicy(contentType: unknown, sandbox: string): string {
  const type = /^([^;,]+)(?:;[^,]*)?$/.exec(String(contentType))?.[1]?.trim().toLowerCase() ?? ''
  if (/^(?:(?:audio|video|image)\/[a-z0-9.-]+|text\/plain)$/.test(type)) return ''
  return type === 'application/pdf' ? "script-src 'none'; " : `${sandbox}; `
}

/** Where an answer of a tunnel appears, and to whom. */
export interface TunnelPlace {
  /** The origin under which the client asked, `http://bob.localhost:42001`. */
  readonly origin: string
  /** Path and query that were asked there. */
  readonly path: string
  /** Whether a browser asks, which keeps things and runs documents. */
  readonly isBrowser: boolean
  /** Whether the user trusts this peer's site, so that its documents may run what they bring. */
  readonly isTrusted: boolean
}

/** What tells a browser that it has the newest. Anything else would change what it was told when it got the thing. */
const unchangedHeaders = new Set(['cache-control', 'date', 'etag', 'last-modified', 'vary'])

/** A policy for what is answered. What a browser has already keeps its own: an answer that it is unchanged does not say what it is. */
function policy(status: number, text: string | string[]): PassedHeaders {
  return status === 304 ? {} : { 'content-security-policy': text }
}

/** Answers without powers over an origin. */
function withoutPowers(status: number, headers: HeaderMap): PassedHeaders {
  const passed = endToEnd(headers)
  for (const name of Object.keys(passed))
    if (powers.has(name) || name.startsWith('access-control-') || (status === 304 && !unchangedHeaders.has(name)))
      delete passed[name]
  return passed
}

/** Whether a browser would run what an answer brings: it is a document, and does not forbid scripts itself. */
export function isActiveDocument(headers: HeaderMap): boolean {
  if (documentPolicy(headers['content-type'], 'sandbox') !== 'sandbox; ') return false
  const policies = [headers['content-security-policy'] ?? []].flat().flatMap(text => text.split(','))
  const forbids = (text: string): boolean => {
    const directives = new Map(
      text.split(';').map(directive => {
        const [name = '', ...values] = directive.trim().toLowerCase().split(/\s+/)
        return [name, values.join(' ')] as const
      }),
    )
    return directives.has('sandbox') || (directives.get('script-src') ?? directives.get('default-src')) === "'none'"
  }
  return !policies.some(forbids)
}

/**
 * What is passed on of another person's answer under `/inline/`: without hop-by-hop headers, cookies, CORS and other powers over
 * the origin, with a redirect inside the share only, and with the rules of this origin.
 */
export function inlineHeaders(status: number, headers: HeaderMap, place: InlinePlace): PassedHeaders {
  const passed = withoutPowers(status, headers)
  for (const name of ['refresh', 'link', 'content-location']) delete passed[name]
  const { location } = passed
  if (location !== undefined) {
    const kept = inlineLink(String(location), place)
    if (kept === undefined) delete passed['location']
    else passed['location'] = kept
  }
  return {
    ...passed,
    ...policy(status, `${documentPolicy(passed['content-type'], 'sandbox allow-downloads')}frame-ancestors 'none'`),
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  }
}

/**
 * A document of a tunnel stays on the peer's own host, so that what it loads is of its own site, and is not taken for another
 * page's request; without script it can do nothing with that.
 */
const tunnelSandbox = 'sandbox allow-same-origin allow-downloads allow-top-navigation-by-user-activation'

/**
 * What is passed on of another person's answer on a tunnel: as it was sent, without powers over the origin. A browser keeps nothing
 * without asking again, and runs documents only where the user trusts the site.
 */
export function tunnelHeaders(
  status: number,
  headers: HeaderMap,
  { origin, path, isBrowser, isTrusted }: TunnelPlace,
): PassedHeaders {
  const passed = withoutPowers(status, headers)
  const { refresh } = passed
  if (refresh !== undefined && !refreshesWithin(String(refresh), origin, path)) delete passed['refresh']
  if (!isBrowser) return passed
  const { 'cache-control': caching } = passed
  const own = passed['content-security-policy'] ?? []
  const sandbox = isTrusted ? '' : documentPolicy(passed['content-type'], tunnelSandbox)
  return {
    ...passed,
    // A policy of their own counts as well; ours is one more.
    ...policy(status, [own, `${sandbox}frame-ancestors 'self'`].flat()),
    // What is in a sandbox now may be out of it next time.
    'cache-control': sandbox.startsWith('sandbox') || /\bno-store\b/i.test(String(caching)) ? 'no-store' : 'no-cache',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  }
}

/** A redirect that a browser would remember, as one that it does not. */
export function temporaryStatus(status: number): number {
  return status === 301 ? 302 : status === 308 ? 307 : status
}

/** The same for an answer that agrees to WebSocket. */
export function upgradeHeaders(passed: PassedHeaders): PassedHeaders {
  return { ...passed, ...webSocket }
}
