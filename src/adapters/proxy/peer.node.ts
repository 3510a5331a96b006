/**
 * The two mounts under which peers appear on the proxy: `/proxy/nickname/…` answers with a redirect to the tunnel,
 * `/inline/nickname/…` carries the request itself. Both connect first; a client that leaves drops its wish.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { fromEvent, merge, type Observable, takeUntil, throwIfEmpty } from 'rxjs'
import type { Tunnel } from '../../protocol/tunnels/tunnels.js'
import { LighthouseError, toLighthouseError } from '../../protocol/errors.js'
import { describeFailure } from '../../protocol/http/error-answers.js'
import { parsePeerTarget } from '../../protocol/http/peer-target.js'
import { leaveBodyUnread } from '../http/unread-body.node.js'
import { sendUpgradeProblem } from '../http/upgrade.node.js'
import { watchHangUp } from './hang-up.node.js'
import { proxyRequest, proxyUpgrade } from './http-proxy.node.js'
import type { ProxyBackend } from './backend.js'
import { sendFailure } from './proxy-problem.node.js'

function tunnel$(peer: Pick<ProxyBackend, 'connect$'>, nickname: string): Observable<Tunnel> {
  return peer
    .connect$(nickname)
    .pipe(throwIfEmpty(() => new LighthouseError('webrtc-failed', 'the attempt ended without a connection')))
}

/** Answers requests under `/proxy` and `/inline`; false when it is neither. */
export function peerRequests(
  peer: Pick<ProxyBackend, 'connect$' | 'endOf'>,
  stop$: Observable<unknown>,
): (req: IncomingMessage, res: ServerResponse, url: string) => boolean {
  return (req, res, url) => {
    const target = parsePeerTarget(url)
    if (target === undefined) return false
    const { nickname, path, mount } = target
    const fail = (error: unknown): void => sendFailure(req, res, error, nickname)
    tunnel$(peer, nickname)
      .pipe(takeUntil(merge(stop$, fromEvent(res, 'close'))))
      .subscribe({
        next: tunnel => {
          if (mount === '/proxy') return redirect(req, res, tunnel, path)
          proxyRequest(req, res, { tunnel, path }, error => fail(peer.endOf(tunnel) ?? error))
        },
        error: fail,
      })
    return true
  }
}

/** The host is always the tunnel's and the path begins with a slash, so nothing in it leads elsewhere. */
function redirect(req: IncomingMessage, res: ServerResponse, tunnel: Tunnel, path: string): void {
  leaveBodyUnread(req, res)
  res.statusCode = req.method === 'GET' || req.method === 'HEAD' ? 302 : 307
  res.setHeader('Location', `http://${tunnel.host}:${tunnel.port}${path}`)
  res.setHeader('Cache-Control', 'no-store')
  res.setHeader('Content-Length', 0)
  res.end()
}

/** The same for WebSocket upgrades, which follow no redirect: both mounts carry them. False when it is neither. */
export function peerUpgrades(
  peer: Pick<ProxyBackend, 'connect$' | 'endOf'>,
  stop$: Observable<unknown>,
): (req: IncomingMessage, socket: Socket, head: Buffer) => boolean {
  return (req, socket, head) => {
    const target = parsePeerTarget(req.url ?? '')
    if (target === undefined) return false
    const { nickname, path } = target
    const fail = (error: unknown): void => {
      sendUpgradeProblem(req, socket, describeFailure(toLighthouseError('webrtc-failed', error), nickname))
    }
    const stopWatching = watchHangUp(socket, () => socket.destroy())
    tunnel$(peer, nickname)
      .pipe(takeUntil(merge(stop$, fromEvent(socket, 'close'))))
      .subscribe({
        next: tunnel => {
          stopWatching()
          proxyUpgrade(req, socket, head, { tunnel, path }, error => fail(peer.endOf(tunnel) ?? error))
        },
        error: fail,
      })
    return true
  }
}
