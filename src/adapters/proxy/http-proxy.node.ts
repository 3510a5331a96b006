/**
 * http-proxy as a client of tunnels: requests and upgrades go to the tunnel with their path as it was sent, and what
 * comes back cannot act on this origin.
 */
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { createProxyServer, type ProxyServer } from 'http-proxy'
import type { Tunnel } from '../../protocol/tunnels/tunnels.js'
import { LighthouseError } from '../../protocol/errors.js'
import { type InlinePlace, redirectElsewhere } from '../../protocol/http/inline-links.js'
import { describeRedirectElsewhere } from '../../protocol/http/error-answers.js'
import { remoteHeaders, requestHeaders, upgradeHeaders } from '../../protocol/http/remote-headers.js'
import { watchHangUp } from './hang-up.node.js'
import { leaveBodyUnread } from '../http/unread-body.node.js'
import { sendProblem } from '../http/problem.node.js'
import { tunnelAgent } from './tunnel-agent.node.js'
import type { PatientSocket } from '../tcp/patient-socket.node.js'

/** Where a request goes: `path` is path and query as sent, without the mount. */
export interface ProxyHop {
  readonly tunnel: Tunnel
  readonly path: string
}

type OnFailure = (error: LighthouseError) => void

function proxyTo({ tunnel }: ProxyHop): ProxyServer {
  const proxy = createProxyServer({
    target: { protocol: 'http:', host: tunnel.host, port: tunnel.port },
    agent: tunnelAgent,
    // Answers are written here: the library would pass the headers of the other connection on.
    selfHandleResponse: true,
    changeOrigin: true,
    // Takes the path as it is, instead of parsing and writing it again.
    toProxy: true,
  })
  // Failures reach the callbacks below. What comes here is the client's own socket ending, which has its own handlers.
  return proxy.on('error', () => undefined)
}

function lost({ tunnel }: ProxyHop, cause: Error): LighthouseError {
  const { nickname } = tunnel
  return new LighthouseError(
    'channel-closed',
    `the tunnel to ${nickname} broke: ${cause.message}`,
    { nickname },
    { cause },
  )
}

function placeOf({ tunnel, path }: ProxyHop): InlinePlace {
  return { nickname: tunnel.nickname, origin: `http://${tunnel.host}:${tunnel.port}`, path }
}

/** The library takes method, path and headers from the request; what others read of it later stays as it was sent. */
function sendOn(req: IncomingMessage, hop: ProxyHop, headers: IncomingHttpHeaders, send: () => void): void {
  const { url, headers: received } = req
  Object.assign(req, { url: hop.path, headers })
  send()
  Object.assign(req, { url, headers: received })
}

/** Breaks a connection so that its client cannot take what it has for the whole. */
function breakOff(socket: Socket | null): void {
  if (socket !== null && !socket.destroyed) socket.resetAndDestroy()
}

/** The status as Node is willing to write it: codes below 200 are no answers. */
function statusOf({ statusCode = 0 }: IncomingMessage): number {
  return statusCode < 200 ? 502 : statusCode
}

/** A body whose end is marked only by the end of the connection (RFC 9112, section 6.3). */
function endsWithConnection({ headers, statusCode }: IncomingMessage, method: string | undefined): boolean {
  const { 'content-length': length, 'transfer-encoding': coding } = headers
  return length === undefined && coding === undefined && method !== 'HEAD' && statusCode !== 204 && statusCode !== 304
}

/**
 * Sends a request to the tunnel and streams the answer back. Held: what Node buffers for the two sockets. A client that
 * goes away ends the request there at once. `onFailure` is called when the tunnel fails before it answered; when it
 * fails later the client's connection is reset. An answer that comes before the request's body is whole ends the request.
 */
export function proxyRequest(req: IncomingMessage, res: ServerResponse, hop: ProxyHop, onFailure: OnFailure): void {
  const proxy = proxyTo(hop)
  const place = placeOf(hop)
  const { 'transfer-encoding': coding, expect } = req.headers
  let answer: IncomingMessage | undefined
  /** Who refuses an upload often breaks it off too, and its answer is whole all the same. */
  let refused = false
  proxy.on('start', () => {
    // The library takes a DELETE without Content-Length for one without a body.
    if (coding === undefined) return
    delete req.headers['content-length']
    req.headers['transfer-encoding'] = coding
  })
  const failed = (cause: Error): void => {
    if (res.writableEnded || res.destroyed) return
    if (answer === undefined) onFailure(lost(hop, cause))
    else if (!answer.complete && !refused) breakOff(res.socket)
  }
  proxy.on('proxyReq', outgoing => {
    // Exactly, with a question mark that nothing follows too.
    outgoing.path = hop.path
    if (expect !== undefined && req.httpVersion === '1.1') {
      // The other side decides whether it wants the body. The headers go now: nothing else may follow them.
      outgoing.setHeader('Expect', '100-continue')
      outgoing.once('continue', () => res.writeContinue())
      outgoing.flushHeaders()
    }
    // Nobody asked for it, and Node ends such a request without a word.
    outgoing.once('upgrade', (_answer, socket) => {
      socket.destroy()
      failed(new Error('it switched to another protocol'))
    })
  })
  proxy.on('proxyRes', received => {
    answer = received
    const { headers, socket } = received
    const status = statusOf(received)
    const target = redirectElsewhere(status, headers.location, place)
    if (target !== undefined) {
      received.destroy()
      return sendProblem(req, res, describeRedirectElsewhere(place.nickname, target))
    }
    refused = status >= 400 && !req.complete
    leaveBodyUnread(req, res)
    // Without the text of the status, in which there may be characters that Node refuses to write.
    res.writeHead(status, remoteHeaders(headers, place))
    received.pipe(res, { end: false })
    received.once('end', () => {
      // A reset that writing found is not seen again by reading, which ends then.
      const reset = (socket as PatientSocket).writeFailure !== undefined && !refused
      if (reset && endsWithConnection(received, req.method)) breakOff(res.socket)
      else res.end()
    })
    received.once('close', () => {
      if (!received.complete) breakOff(res.socket)
    })
  })
  sendOn(req, hop, requestHeaders(req.headers, false), () => proxy.web(req, res, {}, failed))
}

/**
 * Sends a WebSocket upgrade to the tunnel and joins the two sockets. `onFailure` is called when the tunnel fails before
 * it answered; the socket is closed afterwards.
 */
export function proxyUpgrade(
  req: IncomingMessage,
  socket: Socket,
  head: Buffer,
  hop: ProxyHop,
  onFailure: OnFailure,
): void {
  const proxy = proxyTo(hop)
  const place = placeOf(hop)
  let answered = false
  proxy.on('proxyReqWs', (outgoing: ClientRequest) => {
    outgoing.path = hop.path
    const stopWatching = watchHangUp(socket, () => socket.destroy())
    socket.once('close', () => {
      if (!answered) outgoing.destroy()
    })
    const begin = (answer: IncomingMessage, headers: IncomingHttpHeaders): void => {
      answered = true
      stopWatching()
      Object.assign(answer, { headers, statusMessage: '' })
    }
    // These run before the library's own listeners, which write the headers.
    outgoing.once('upgrade', answer => begin(answer, upgradeHeaders(answer.headers, place)))
    outgoing.once('response', answer => {
      begin(answer, { ...remoteHeaders(answer.headers, place), connection: 'close' })
      answer.statusCode = statusOf(answer)
      relayPolitely(answer, socket)
    })
  })
  sendOn(req, hop, requestHeaders(req.headers, true), () =>
    proxy.ws(req, socket, head, {}, error => {
      if (socket.destroyed) return
      if (answered) breakOff(socket)
      else onFailure(lost(hop, error))
    }),
  )
}

/** The library relays a refusal without looking at demand or completeness; this adds both. */
function relayPolitely(answer: IncomingMessage, socket: Socket): void {
  answer.on('data', () => {
    if (!socket.writableNeedDrain) return
    answer.pause()
    socket.once('drain', () => answer.resume())
  })
  answer.once('close', () => {
    if (!answer.complete) breakOff(socket)
  })
  socket.once('close', () => answer.destroy())
}
