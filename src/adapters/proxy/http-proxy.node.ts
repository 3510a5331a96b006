/**
 * http-proxy as a client of peers: requests and upgrades go to the other side over streams of a connection, with their path as it
 * was sent, and what comes back has the powers that the mount gives it.
 */
import type {
  Agent,
  ClientRequest,
  IncomingHttpHeaders,
  IncomingMessage,
  RequestListener,
  ServerResponse,
} from 'node:http'
import type { Socket } from 'node:net'
import { createProxyServer, type ProxyServer } from 'http-proxy'
import { isLighthouseError, LighthouseError } from '../../protocol/errors.js'
import { continuationOf } from '../../protocol/http/continuation.js'
import {
  type HeaderMap,
  type PassedHeaders,
  requestHeaders,
  temporaryStatus,
  upgradeHeaders,
} from '../../protocol/http/remote-headers.js'
import { leaveBodyUnread } from '../http/unread-body.node.js'
import { continueAnswer, relay } from './continue-answer.node.js'
import { watchHangUp } from './hang-up.node.js'

/** Where a request goes, and what becomes of its answer. */
export interface ProxyHop {
  readonly nickname: string
  /** Path and query as sent, without the mount. */
  readonly path: string
  /** What the other side is told as the host. */
  readonly host: string
  /** Opens a stream to the peer for each request. */
  readonly agent: Agent
  /** The headers that pass of an answer. */
  readonly answerHeaders: (status: number, headers: HeaderMap) => PassedHeaders
  /** What is answered instead of an answer with this head. Default: each is passed on. */
  readonly instead?: (status: number, headers: IncomingHttpHeaders) => RequestListener | undefined
  /** Is told the bytes of the answer's body; false breaks it off. Default: they are not counted. */
  readonly count?: ((bytes: number) => boolean) | undefined
}

type OnFailure = (error: LighthouseError) => void

function proxyTo({ agent, host }: ProxyHop): ProxyServer {
  const proxy = createProxyServer({
    // Where the agent leads; nothing is looked up.
    target: { protocol: 'http:', host: '127.0.0.1', port: 80 },
    agent,
    headers: { host },
    // Answers are written here: the library would pass the headers of the other connection on.
    selfHandleResponse: true,
    // Takes the path as it is, instead of parsing and writing it again.
    toProxy: true,
  })
  // Failures reach the callbacks below. What comes here is the client's own socket ending, which has its own handlers.
  return proxy.on('error', () => undefined)
}

function lost({ nickname }: ProxyHop, cause: Error): LighthouseError {
  if (cause instanceof LighthouseError) return cause
  const message = `the request to ${nickname} broke: ${cause.message}`
  return new LighthouseError('channel-closed', message, { nickname }, { cause })
}

/** A stream that the other side reset at once: nobody is there who would answer. */
function unanswered(hop: ProxyHop, cause: Error): LighthouseError {
  const { nickname } = hop
  if (!isLighthouseError(cause, 'stream-reset')) return lost(hop, cause)
  const message = `What ${nickname} shares did not answer: it may not be running. Its owner can start it.`
  return new LighthouseError('stream-reset', message, { nickname }, { cause })
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
  return statusCode < 200 ? 502 : temporaryStatus(statusCode)
}

/**
 * Sends a request to the peer and streams the answer back. Held: what Node buffers for the two ends. A client that
 * goes away ends the request there at once. `onFailure` is called when it fails before it was answered. One that fails later
 * goes on from where it broke if it can (`continueAnswer`); else the client's connection is reset. An answer that comes before the
 * request's body is whole ends the request.
 */
export function proxyRequest(req: IncomingMessage, res: ServerResponse, hop: ProxyHop, onFailure: OnFailure): void {
  const proxy = proxyTo(hop)
  const { 'transfer-encoding': coding, expect } = req.headers
  const headers = requestHeaders(req.headers, false)
  let answered = false
  proxy.on('start', () => {
    // The library takes a DELETE without Content-Length for one without a body.
    if (coding === undefined) return
    delete req.headers['content-length']
    req.headers['transfer-encoding'] = coding
  })
  const failed = (cause: Error): void => {
    if (!res.writableEnded && !res.destroyed && !answered) onFailure(unanswered(hop, cause))
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
    answered = true
    const status = statusOf(received)
    const instead = hop.instead?.(status, received.headers)
    if (instead !== undefined) {
      received.destroy()
      return instead(req, res)
    }
    const { count } = hop
    if (count !== undefined) received.on('data', (chunk: Buffer) => !count(chunk.length) && breakOff(res.socket))
    // Who refuses an upload often breaks it off too, and its answer is whole all the same.
    const refused = status >= 400 && !req.complete
    leaveBodyUnread(req, res)
    // Without the text of the status, in which there may be characters that Node refuses to write.
    res.writeHead(status, hop.answerHeaders(status, received.headers))
    const continuation = continuationOf(req, { status, headers: received.headers })
    relay(received, res, deliveredBytes => {
      const broken = continuation && { continuation, deliveredBytes, cause: received.socket.errored }
      if (refused) res.end()
      else if (broken === undefined) breakOff(res.socket)
      else continueAnswer({ ...hop, headers, res, ...broken, breakOff: () => breakOff(res.socket) })
    })
  })
  sendOn(req, hop, headers, () => proxy.web(req, res, {}, failed))
}

/**
 * Sends a WebSocket upgrade to the peer and joins the two sockets. `onFailure` is called when it fails before
 * it was answered; the socket is closed afterwards.
 */
export function proxyUpgrade(
  req: IncomingMessage,
  socket: Socket,
  head: Buffer,
  hop: ProxyHop,
  onFailure: OnFailure,
): void {
  const proxy = proxyTo(hop)
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
    outgoing.once('upgrade', answer => begin(answer, upgradeHeaders(hop.answerHeaders(101, answer.headers))))
    outgoing.once('response', answer => {
      begin(answer, { ...hop.answerHeaders(statusOf(answer), answer.headers), connection: 'close' })
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
