/**
 * The proxy's listener: the peer's dashboard, its control endpoints and the way to other peers, on loopback.
 */
import type { IncomingMessage, RequestListener } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Observable, Subject } from 'rxjs'
import { judgeRequest, loopbackHosts, withAllowed } from '../../protocol/http/guard.js'
import { carryingServer } from '../http/carrying-server.node.js'
import { guardUpgrade } from '../http/guard.express.js'
import type { Problem } from '../http/problem.node.js'
import { sendUpgradeProblem, upgradeResponse } from '../http/upgrade.node.js'
import type { ProxyBackend } from './backend.js'
import { peerUpgrades } from './peer.node.js'
import { notFound, proxyRoutes } from './routes.express.js'
import { listenError } from '../tcp/listen-error.js'

export interface ProxyServerOptions {
  /** 0 lets the system choose. */
  readonly port: number
  readonly peer: ProxyBackend
  /** The peer's own data server, when it shares a folder; the dashboard links it. */
  readonly dataUrl?: string | undefined
}

const upgradeOfNothing: Problem = {
  ...notFound,
  detail: 'Nothing here accepts this kind of connection.',
  next: 'Open WebSockets under /proxy/nickname/.',
}

/** Takes upgrades: WebSockets go to peers, anything else (`h2c`) is answered as if it had not been asked. */
function upgrades(
  peer: ProxyBackend,
  app: RequestListener,
  hosts: () => readonly string[],
  stop$: Observable<unknown>,
): (req: IncomingMessage, socket: Socket, head: Buffer) => void {
  const answerPeer = peerUpgrades(peer, stop$)
  return (req, socket, head) => {
    const { upgrade, 'content-length': length, 'transfer-encoding': coding } = req.headers
    if (upgrade?.toLowerCase() !== 'websocket' && length === undefined && coding === undefined) {
      delete req.headers.upgrade
      delete req.headers.connection
      socket.on('error', () => socket.destroy())
      return app(req, upgradeResponse(req, socket))
    }
    guardUpgrade(
      req,
      socket,
      request => judgeRequest(request, withAllowed(hosts(), request, peer.allowedHosts)),
      () => {
        const websocket = upgrade?.toLowerCase() === 'websocket' && req.method === 'GET'
        if (!websocket || !answerPeer(req, socket, head)) sendUpgradeProblem(req, socket, upgradeOfNothing)
      },
    )
  }
}

/**
 * The proxy's listener on 127.0.0.1.
 *
 *     subscribe: -----(listening)--------------!
 *     result:    ------a------------------------
 *
 * Starts on subscription; emits once when it is bound and does not complete. Errors as `listenError` says. Unsubscribing
 * drops attempts, ends event streams, closes every connection and frees the port. Buffers what its sockets do.
 */
export function proxyServer$(options: ProxyServerOptions): Observable<{ readonly port: number; readonly url: string }> {
  return new Observable(subscriber => {
    const stop$ = new Subject<void>()
    let names: readonly string[] = []
    const hosts = (): readonly string[] => names
    const app: RequestListener = proxyRoutes({ ...options, hosts, stop$ })
    const takeUpgrade = upgrades(options.peer, app, hosts, stop$)

    const { server, closeAll } = carryingServer(app, takeUpgrade)
    const refused = (error: Error): void => subscriber.error(listenError(error, '127.0.0.1', options.port))
    server.once('error', refused)
    server.listen({ port: options.port, host: '127.0.0.1', exclusive: true }, () => {
      server.off('error', refused)
      // A connection that could not be accepted (no file handles left) costs nobody else theirs.
      server.on('error', () => undefined)
      const { port } = server.address() as AddressInfo
      names = loopbackHosts(port)
      subscriber.next({ port, url: `http://127.0.0.1:${port}/` })
    })
    return () => {
      stop$.next()
      server.close()
      closeAll()
    }
  })
}
