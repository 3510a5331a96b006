/**
 * The address of a tunnel: the one place where the user's programs enter it. What speaks HTTP is guarded and carried by http-proxy,
 * anything else as it is.
 */
import type { IncomingMessage, RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import { Observable, switchMap, take } from 'rxjs'
import type { ByteSocket, TcpListenEvent, TunnelPort } from '../../ports.js'
import type { Sites } from '../../ports/sites.js'
import type { LighthouseError } from '../../protocol/errors.js'
import { describeFailure } from '../../protocol/http/error-answers.js'
import {
  type GuardDecision,
  isOwnHost,
  isTunnelName,
  judgeTunnelRequest,
  tunnelHosts,
  type TunnelNames,
} from '../../protocol/http/guard.js'
import { requestPath } from '../../protocol/http/peer-target.js'
import { isActiveDocument, tunnelHeaders } from '../../protocol/http/remote-headers.js'
import { carryingServer } from '../http/carrying-server.node.js'
import { confirmPage, forbidden, guardedRequest, guardUpgrade, misdirected } from '../http/guard.express.js'
import { type Problem, sendProblem } from '../http/problem.node.js'
import { type ProxyHop, proxyRequest, proxyUpgrade } from '../proxy/http-proxy.node.js'
import { sendFailure } from '../proxy/proxy-problem.node.js'
import { redirect } from '../http/redirect.node.js'
import { sendUpgradeProblem } from '../http/upgrade.node.js'
import { accept$ } from '../tcp/accept.node.js'
import { route } from './accepted.node.js'
import { PeerAgent } from './peer-agent.node.js'
import { streamFor } from './virtual-stream.node.js'

export interface EntranceOptions {
  /** The proxy's port, to which requests for other peers are sent, once it is bound. Nothing is listened on before. */
  readonly proxyPort$: Observable<number>
  /** Further names that tunnels are reached by: `NAME` with any port, or `NAME:PORT`. */
  readonly allowedHosts: readonly string[]
  /** What pages of other peers may do. */
  readonly sites: Sites
}

const noServiceWorkers: Problem = {
  status: 403,
  title: 'No service workers here',
  detail: 'A page may not leave a program in your browser that outlives the connection.',
  next: 'The page works without it, or not at all.',
}

const spentByPages: Problem = {
  status: 403,
  title: 'This page has fetched enough by itself',
  detail: 'What pages of another peer fetch without your doing costs 10 coins an hour at most.',
  next: 'Open the page again: you are asked whether it may fetch more.',
}

/** What happens on the address of one tunnel. */
interface Place {
  readonly names: () => TunnelNames
  readonly carry: (socket: ByteSocket) => void
  readonly agent: PeerAgent
  readonly sites: Sites
}

/** The proxy's page that asks what the site of that peer may do. */
function sitePage({ nickname, proxyPort }: TunnelNames, path: string): string {
  return `http://127.0.0.1:${proxyPort}/sites/${nickname}?to=${encodeURIComponent(path)}`
}

function isNavigation(req: IncomingMessage): boolean {
  return req.headers['sec-fetch-mode'] === 'navigate' && req.headers['sec-fetch-dest'] === 'document'
}

function hopOf({ names, agent, sites }: Place, req: IncomingMessage, isCounted: boolean): ProxyHop {
  const { nickname, port } = names()
  const path = requestPath(req.url ?? '/')
  const host = String(req.headers.host)
  const isBrowser = req.headers['sec-fetch-dest'] !== undefined
  return {
    nickname,
    path,
    // What is shared there knows no name that only this machine is reached by.
    host: isOwnHost([host], tunnelHosts(names())) ? host : `127.0.0.1:${port}`,
    agent,
    answerHeaders: (status, headers) =>
      tunnelHeaders(status, headers, {
        origin: `http://${host}`,
        path,
        isBrowser,
        isTrusted: sites.choice(nickname) === 'trusted',
      }),
    instead(status, headers) {
      const asks =
        status < 300 && isNavigation(req) && isActiveDocument(headers) && sites.choice(nickname) === undefined
      return asks ? (_req, res) => redirect(req, res, sitePage(names(), path)) : undefined
    },
    count: isCounted ? bytes => sites.count(nickname, bytes) : undefined,
  }
}

const problems = { misdirected, forbidden } as const

/** Answers requests on the address of one tunnel. */
function tunnelApp(place: Place): RequestListener {
  return (req, res) => {
    const request = guardedRequest(req)
    const path = requestPath(req.url ?? '/')
    const { nickname } = place.names()
    const decision = judgeTunnelRequest(request, path, place.names())
    if (typeof decision === 'object') return redirect(req, res, decision.redirect)
    if (decision === 'misdirected') res.setHeader('Connection', 'close')
    if (decision === 'misdirected' || decision === 'forbidden') return sendProblem(req, res, problems[decision])
    if (decision === 'confirm') return sendProblem(req, res, confirmPage(req, `Open ${nickname}?`))
    if (req.headers['service-worker'] !== undefined) return sendProblem(req, res, noServiceWorkers)
    const doing = place.sites.judge(nickname, request, path)
    if (doing === 'refused') {
      if (isNavigation(req)) return redirect(req, res, sitePage(place.names(), path))
      return sendProblem(req, res, spentByPages)
    }
    proxyRequest(req, res, hopOf(place, req, doing === 'counted'), error => sendFailure(req, res, error, nickname))
  }
}

/** A request that leaves HTTP: a WebSocket as every other request, another protocol as it is where a program asks. */
function tunnelUpgrade(place: Place): (req: IncomingMessage, socket: Socket, head: Buffer) => void {
  return (req, socket, head) => {
    const hop = hopOf(place, req, false)
    const decide = (request: ReturnType<typeof guardedRequest>): GuardDecision => {
      const decision = judgeTunnelRequest(request, hop.path, place.names())
      return typeof decision === 'object' ? 'forbidden' : decision
    }
    guardUpgrade(req, socket, decide, () => {
      const isWebSocket = req.headers.upgrade?.toLowerCase() === 'websocket' && req.method === 'GET'
      if (!isWebSocket) return carryOn(req, socket, head, place)
      proxyUpgrade(req, socket, head, hop, (error: LighthouseError) =>
        sendUpgradeProblem(req, socket, describeFailure(error, hop.nickname)),
      )
    })
  }
}

/** Carries a connection on from a request as it was sent. */
function carryOn(req: IncomingMessage, socket: Socket, head: Buffer, { carry }: Place): void {
  const { method, url, httpVersion, rawHeaders } = req
  const lines = rawHeaders.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${rawHeaders[index + 1]}`] : []))
  const { stream } = streamFor(socket)
  stream.write(Buffer.from([`${method} ${url} HTTP/${httpVersion}`, ...lines, '\r\n'].join('\r\n'), 'latin1'))
  if (head.length > 0) stream.write(head)
  socket.pipe(stream).pipe(socket)
  carry(stream.socket)
}

/** Tunnels on loopback. */
export function entrance({ proxyPort$, allowedHosts: allowed, sites }: EntranceOptions): TunnelPort {
  return {
    listen$: ({ port, nickname }) =>
      proxyPort$.pipe(
        take(1),
        switchMap(proxyPort => listen$({ nickname, port, proxyPort, allowed }, sites)),
      ),
  }
}

function listen$(wanted: TunnelNames, sites: Sites): Observable<TcpListenEvent> {
  return new Observable(subscriber => {
    let names = wanted
    /** All who came in and are still there: when it closes nobody may stay who was let in under its names. */
    const entered = new Set<Socket>()
    const carry = (socket: ByteSocket): void => subscriber.next({ type: 'socket', socket })
    const place: Place = { names: () => names, sites, carry, agent: new PeerAgent(carry) }
    const { server } = carryingServer(tunnelApp(place), tunnelUpgrade(place))
    const http = (socket: Socket): void => {
      server.emit('connection', socket)
      socket.resume()
    }
    subscriber.add(
      accept$({ port: wanted.port, host: '127.0.0.1' }).subscribe({
        next: event => {
          if (event.type === 'listening') {
            names = { ...wanted, port: event.port }
            subscriber.next(event)
            return
          }
          const { socket } = event
          entered.add(socket)
          socket.once('close', () => entered.delete(socket))
          route(socket, { isOwnName: name => isTunnelName(name, names), http, carry })
        },
        error: error => subscriber.error(error),
      }),
    )
    subscriber.add(() => {
      for (const socket of entered) socket.resetAndDestroy()
    })
  })
}
