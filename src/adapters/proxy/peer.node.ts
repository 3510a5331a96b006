/**
 * The two mounts under which peers appear on the proxy: `/proxy/nickname/…` answers with a redirect to the tunnel,
 * `/inline/nickname/…` carries the request itself. Both connect first; a client that leaves drops its wish.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { fromEvent, merge, type Observable, takeUntil, throwIfEmpty } from 'rxjs'
import type { Tunnel } from '../../protocol/tunnels/tunnels.js'
import { LighthouseError, toLighthouseError } from '../../protocol/errors.js'
import { describeFailure, describeRedirectElsewhere } from '../../protocol/http/error-answers.js'
import { redirectElsewhere } from '../../protocol/http/inline-links.js'
import { inlineHeaders } from '../../protocol/http/remote-headers.js'
import { PeerAgent } from '../tunnels/peer-agent.node.js'
import { parsePeerTarget } from '../../protocol/http/peer-target.js'
import { type Problem, sendProblem } from '../http/problem.node.js'
import { redirect } from '../http/redirect.node.js'
import { sendUpgradeProblem } from '../http/upgrade.node.js'
import { watchHangUp } from './hang-up.node.js'
import { type ProxyHop, proxyRequest, proxyUpgrade } from './http-proxy.node.js'
import type { ProxyBackend } from './backend.js'
import { sendFailure } from './proxy-problem.node.js'

function tunnel$(peer: Pick<ProxyBackend, 'connect$'>, nickname: string): Observable<Tunnel> {
  return peer
    .connect$(nickname)
    .pipe(throwIfEmpty(() => new LighthouseError('webrtc-failed', 'the attempt ended without a connection')))
}

/** What our own pages ask for under `/inline/` (Fetch standard, request destinations). */
const inlineDestinations = new Set(['image', 'audio', 'video', 'track', 'empty'])

const mediaOnly: Problem = {
  status: 403,
  title: 'Not as a part of this page',
  detail: 'Below /inline/ a browser gets pictures, sound, video, subtitles and data, and nothing that it would run.',
  next: 'Open the address itself: it leads to the site of that peer.',
}

/** Where a request under `/inline/` goes. */
function inlineHop(peer: Pick<ProxyBackend, 'carry'>, { nickname, host, port }: Tunnel, path: string): ProxyHop {
  const place = { nickname, origin: `http://${host}:${port}`, path }
  return {
    nickname,
    path,
    host: `${host}:${port}`,
    agent: new PeerAgent(socket => peer.carry(nickname, socket)),
    answerHeaders: (status, headers) => inlineHeaders(status, headers, place),
    instead(status, { location }) {
      const target = redirectElsewhere(status, location, place)
      return target && ((req, res) => sendProblem(req, res, describeRedirectElsewhere(nickname, target)))
    },
  }
}

/** Answers requests under `/proxy` and `/inline`; false when it is neither. */
export function peerRequests(
  peer: Pick<ProxyBackend, 'connect$' | 'carry'>,
  stop$: Observable<unknown>,
): (req: IncomingMessage, res: ServerResponse, url: string) => boolean {
  return (req, res, url) => {
    const target = parsePeerTarget(url)
    if (target === undefined) return false
    const { nickname, path, mount } = target
    const fail = (error: unknown): void => sendFailure(req, res, error, nickname)
    // What a browser would run or show as a page of ours has a host of its own; without one it is nothing here.
    const destination = req.headers['sec-fetch-dest'] ?? 'empty'
    const navigates = destination === 'document'
    if (mount === '/inline' && !navigates && !inlineDestinations.has(destination)) {
      sendProblem(req, res, mediaOnly)
      return true
    }
    tunnel$(peer, nickname)
      .pipe(takeUntil(merge(stop$, fromEvent(res, 'close'))))
      .subscribe({
        next: tunnel => {
          if (mount === '/proxy' || navigates) redirect(req, res, tunnelUrl(req, tunnel, path))
          else proxyRequest(req, res, inlineHop(peer, tunnel, path), fail)
        },
        error: fail,
      })
    return true
  }
}

/** Where a path lies on a tunnel: it begins with a slash, so nothing in it leads elsewhere. A name that the user allowed stays. */
function tunnelUrl(req: IncomingMessage, { host, port }: Tunnel, path: string): string {
  const asked = String(req.headers.host).replace(/:\d+$/, '')
  const name = /^(?:localhost|\[::1\])$/i.test(asked) ? host : asked
  return `http://${name}:${port}${path}`
}

/** The same for WebSocket upgrades, which follow no redirect: both mounts carry them. False when it is neither. */
export function peerUpgrades(
  peer: Pick<ProxyBackend, 'connect$' | 'carry'>,
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
          proxyUpgrade(req, socket, head, inlineHop(peer, tunnel, path), fail)
        },
        error: fail,
      })
    return true
  }
}
