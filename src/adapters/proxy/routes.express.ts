/**
 * What the proxy answers: the dashboard, its control endpoints, and everything under the peers' mounts.
 */
import express, { type Express, type Request, type RequestHandler, type Response } from 'express'
import { defer, type Observable } from 'rxjs'
import { preferredType } from '../http/negotiation.js'
import { formatCoins } from '../../protocol/coins/amount.js'
import { judgeRequest, withAllowed } from '../../protocol/http/guard.js'
import { isNickname } from '../../protocol/peer/nickname.js'
import { parsePeerTarget } from '../../protocol/http/peer-target.js'
import { statsLine } from '../../protocol/peer/stats-line.js'
import { dashboardAssets } from './dashboard-page.node.js'
import { eventStream } from './event-stream.node.js'
import { confirmPage, guard, securityHeaders } from '../http/guard.express.js'
import { contentSecurityPolicy } from '../http/page.node.js'
import { type Problem, sendProblem } from '../http/problem.node.js'
import type { ProxyBackend } from './backend.js'
import { answerWith, peerControls, methodNotAllowed } from './control.express.js'
import { peerRequests } from './peer.node.js'
import { sitePages } from './site-page.express.js'

/** What the routes need. */
export interface ProxyRoutesOptions {
  readonly peer: ProxyBackend
  /** The peer's own data server, when it shares a folder; the dashboard links it. */
  readonly dataUrl?: string | undefined
  /** The listener's own names; known once it is bound. */
  readonly hosts: () => readonly string[]
  /** Drops attempts and ends event streams when it emits. */
  readonly stop$: Observable<unknown>
}

/** Nobody lives at this address. */
export const notFound: Problem = {
  status: 404,
  title: 'There is nothing here',
  detail: 'The proxy has no such page.',
  next: "Go to / for the dashboard, or to /proxy/nickname/ for somebody's share.",
  link: { href: '/', text: 'Dashboard' },
}

const broken: Problem = {
  status: 500,
  title: 'Internal error',
  detail: 'The request could not be handled.',
  next: 'Try again. If it happens again, restart the peer and report what you requested.',
}

const unreadableTarget: Problem = {
  status: 400,
  title: 'This address cannot be read',
  detail: 'It has a character that must be percent-encoded.',
  next: 'Encode spaces and control characters, as in %20.',
}

function confirmPeer(req: Request): Problem {
  const nickname = parsePeerTarget(req.originalUrl)?.nickname ?? ''
  if (!isNickname(nickname)) return confirmPage(req)
  return confirmPage(
    req,
    `Connect to ${nickname}?`,
    `Continuing connects you to ${nickname}, and what you receive costs coins.`,
  )
}

/** The proxy as an Express application. Holds no timer and no socket of its own. */
export function proxyRoutes({ peer, dataUrl, hosts, stop$ }: ProxyRoutesOptions): Express {
  const app = express()
  app.disable('x-powered-by').disable('etag').set('query parser', false)
  app.enable('case sensitive routing').enable('strict routing')
  app.use(securityHeaders())
  app.use(
    guard({
      hosts,
      // Only connecting needs a click; opening the proxy's own pages does nothing.
      judge: (request, names, req) => {
        const verdict = judgeRequest(request, withAllowed(names, request, peer.allowedHosts))
        return verdict === 'confirm' && parsePeerTarget(req.url ?? '') === undefined ? 'allow' : verdict
      },
      confirm: confirmPeer,
    }),
  )
  app.use((req, res, next) => {
    if (req.headers['service-worker'] === undefined) return next()
    sendProblem(req, res, { ...notFound, status: 403, title: 'No service workers here' })
  })

  const answerPeer = peerRequests(peer, stop$)
  app.use((req, res, next) => {
    if (!answerPeer(req, res, req.originalUrl)) next()
  })

  const get = (path: string, handler: RequestHandler): void => {
    app.route(path).get(handler).all(methodNotAllowed('GET, HEAD'))
  }
  for (const asset of dashboardAssets({ ...peer.identity, dataUrl })) {
    get(asset.path, (_req, res) => {
      if (asset.policy !== undefined) res.setHeader('Content-Security-Policy', contentSecurityPolicy(asset.policy))
      res.setHeader('Cache-Control', 'no-cache')
      res.type(asset.type).send(asset.text)
    })
  }
  get(
    '/coins',
    answerWith(
      () => peer.balance$(),
      ({ bytes, asOfMs }, req, res) => {
        const coins = formatCoins(bytes)
        res.vary('Accept')
        if (preferredType(req, ['text/plain', 'application/json']) === 'text/plain') {
          res.type('text/plain').send(`${coins}\n`)
        } else if (asOfMs === undefined) res.json({ coins, bytes })
        else res.json({ coins, bytes, hub: 'away', asOf: new Date(asOfMs).toISOString() })
      },
      stop$,
    ),
  )
  get(
    '/stats',
    answerWith(
      () => peer.stats$,
      (stats, req, res) => {
        res.vary('Accept')
        if (preferredType(req, ['application/json', 'text/plain']) === 'application/json') {
          res.json(stats)
        } else res.type('text/plain').send(`${statsLine(stats)}\n`)
      },
      stop$,
    ),
  )
  get(
    '/events',
    eventStream(
      defer(() => peer.stats$),
      stop$,
    ),
  )

  sitePages(app, peer.sites)
  peerControls(app, peer, stop$)

  app.use((req: Request, res: Response) => {
    const mounted = /^\/(?:proxy|inline)(?:[/?]|$)/.test(req.originalUrl)
    sendProblem(req, res, mounted ? unreadableTarget : notFound)
  })
  app.use((_error: unknown, req: Request, res: Response, _next: () => void) => sendProblem(req, res, broken))
  return app
}
