/**
 * http-proxy as a client of tunnels: requests and upgrades go to the tunnel with their path as it was sent, and what
 * comes back cannot act on this origin.
 */
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { createProxyServer, type ProxyServer } from 'http-proxy'
import type { Tunnel } from '../ports.js'
import { LighthouseError } from '../protocol/errors.js'
import { remoteHeaders, requestHeadersToDrop } from '../protocol/remote-headers.js'
import { watchHangUp } from './hang-up.node.js'
import { inlineLocation } from '../protocol/peer-target.js'

/** Where a request goes: `path` is path and query as sent, without the mount. */
export interface ProxyHop {
  readonly tunnel: Tunnel
  readonly path: string
}

type OnFailure = (error: LighthouseError) => void

function proxyTo({ tunnel }: ProxyHop): ProxyServer {
  const proxy = createProxyServer({
    target: { protocol: 'http:', host: tunnel.host, port: tunnel.port },
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
    `The tunnel to ${nickname} broke: ${cause.message}`,
    { nickname },
    { cause },
  )
}

function dropRequestHeaders(req: IncomingMessage): void {
  for (const name of requestHeadersToDrop(req.headers)) delete req.headers[name]
}

/** Makes an answer of another person's server harmless on this origin, in place, before it is passed on. */
function disarm(answer: IncomingMessage, { tunnel, path }: ProxyHop): void {
  const { location } = answer.headers
  const origin = `http://${tunnel.host}:${tunnel.port}`
  const headers: IncomingHttpHeaders = { ...remoteHeaders(answer.headers) }
  if (location !== undefined) headers.location = inlineLocation(location, origin, tunnel.nickname, path)
  answer.headers = headers
  // Free text of the other side, which Node refuses to write when it holds control characters; and codes it refuses.
  answer.statusMessage = ''
  if ((answer.statusCode ?? 0) < 200 && answer.statusCode !== 101) answer.statusCode = 502
}

/** Breaks a connection so that its client cannot take what it has for the whole. */
function breakOff(socket: Socket | null): void {
  if (socket !== null && !socket.destroyed) socket.resetAndDestroy()
}

/**
 * Sends a request to the tunnel and streams the answer back. Held: what Node buffers for the two sockets. A client that
 * goes away ends the request there at once. `onFailure` is called when the tunnel fails before it answered; when it
 * fails later the client's connection is reset.
 */
export function proxyRequest(req: IncomingMessage, res: ServerResponse, hop: ProxyHop, onFailure: OnFailure): void {
  const proxy = proxyTo(hop)
  const coding = req.headers['transfer-encoding']
  dropRequestHeaders(req)
  proxy.on('start', () => {
    // The library takes a DELETE without Content-Length for one without a body.
    if (coding === undefined) return
    delete req.headers['content-length']
    req.headers['transfer-encoding'] = coding
  })
  const failed = (cause: Error): void => {
    if (res.writableEnded || res.destroyed) return
    if (res.headersSent) breakOff(res.socket)
    else onFailure(lost(hop, cause))
  }
  proxy.on('proxyReq', outgoing => {
    // Exactly, with a question mark that nothing follows too.
    outgoing.path = hop.path
    // Nobody asked for it, and Node ends such a request without a word.
    outgoing.once('upgrade', (_answer, socket) => {
      socket.destroy()
      failed(new Error('it switched to another protocol'))
    })
  })
  proxy.on('proxyRes', answer => {
    disarm(answer, hop)
    answer.once('close', () => {
      if (!answer.complete) breakOff(res.socket)
    })
  })
  req.url = hop.path
  proxy.web(req, res, {}, failed)
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
  let answered = false
  dropRequestHeaders(req)
  proxy.on('proxyReqWs', (outgoing: ClientRequest) => {
    outgoing.path = hop.path
    const stopWatching = watchHangUp(socket, () => socket.destroy())
    socket.once('close', () => {
      if (!answered) outgoing.destroy()
    })
    const begin = (answer: IncomingMessage): void => {
      answered = true
      stopWatching()
      disarm(answer, hop)
    }
    // These run before the library's own listeners.
    outgoing.once('upgrade', begin)
    outgoing.once('response', answer => {
      begin(answer)
      relayPolitely(answer, socket)
    })
  })
  req.url = hop.path
  proxy.ws(req, socket, head, {}, error => {
    if (socket.destroyed) return
    if (answered) breakOff(socket)
    else onFailure(lost(hop, error))
  })
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
