/**
 * Which headers pass between the user's browser and another person's server, where both appear on one origin
 * (`/inline/nickname/`).
 */
import { type InlinePlace, inlineLink } from './inline-links.js'

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
  'content-location',
  'link',
  'refresh',
])

/**
 * What a document in another person's answer may do. No browser runs code from audio, video, bitmaps and plain text, nor
 * from a PDF, whose viewer some browsers do not start in a sandbox. Everything else gets no script and an origin of its own.
 * Only one well-formed type counts: of several, browsers take the last. Types ending in `+xml` are documents.
 */
function documentPolicy(contentType: unknown): string {
  const type = /^([^;,]+)(?:;[^,]*)?$/.exec(String(contentType))?.[1]?.trim().toLowerCase() ?? ''
  if (/^(?:(?:audio|video|image)\/[a-z0-9.-]+|text\/plain)$/.test(type)) return ''
  return type === 'application/pdf' ? "script-src 'none'; " : 'sandbox allow-downloads; '
}

/**
 * What is passed on of another person's answer: without hop-by-hop headers, cookies, CORS and other powers over the
 * origin, with a redirect inside the share only, and with the rules of this origin.
 */
export function remoteHeaders(headers: HeaderMap, place: InlinePlace): PassedHeaders {
  const passed = endToEnd(headers)
  for (const [name, value] of Object.entries(passed)) {
    const kept = name === 'location' ? inlineLink(String(value), place) : value
    if (kept === undefined || powers.has(name) || name.startsWith('access-control-')) delete passed[name]
    else passed[name] = kept
  }
  return {
    ...passed,
    'content-security-policy': `${documentPolicy(passed['content-type'])}frame-ancestors 'none'`,
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  }
}

/** The same for an answer that agrees to WebSocket. */
export function upgradeHeaders(headers: HeaderMap, place: InlinePlace): PassedHeaders {
  return { ...remoteHeaders(headers, place), ...webSocket }
}
