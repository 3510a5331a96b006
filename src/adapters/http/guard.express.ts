/**
 * `protocol/http/guard.ts` as Express middleware: who may talk to a loopback listener, and what pages may do with the
 * answers. Used by the proxy and the data server; the rules are in the protocol.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Request, RequestHandler } from 'express'
import { type GuardedRequest, judgeRequest, type GuardDecision } from '../../protocol/http/guard.js'
import { contentSecurityPolicy } from './page.node.js'
import { type Problem, sendProblem } from './problem.node.js'
import { sendUpgradeProblem } from './upgrade.node.js'
import { localUser$ } from '../tcp/local-user.node.js'

/** How a listener is guarded. */
export interface GuardOptions {
  /** The listener's own names, `127.0.0.1:42000` and so on. Asked for each request: port 0 is known once it is bound. */
  readonly hosts: () => readonly string[]
  /** Default: `judgeRequest`. */
  readonly judge?: (request: GuardedRequest, hosts: readonly string[], req: IncomingMessage) => GuardDecision
  /** What is asked before a navigation that no click started goes on. */
  readonly confirm?: (req: Request) => Problem
}

const notYours: Problem = {
  status: 403,
  title: 'This peer belongs to another user',
  detail: 'The program that asked runs as another user of this computer, and what it receives costs the owner coins.',
  next: 'Start a peer of your own with "lighthouse-peer up", or ask as the user who runs this one.',
}

export const misdirected: Problem = {
  status: 421,
  title: 'This name is not served here',
  detail: 'The request was for a host name that does not belong to this address.',
  next: 'Open the address exactly as Lighthouse printed it, starting with http://127.0.0.1.',
}

export const forbidden: Problem = {
  status: 403,
  title: 'Request from another site',
  detail: 'The request came from a page of another origin, which may not use your peer.',
  next: 'If you want it, type the address into the address bar, or open it from the Lighthouse dashboard.',
}

/** What the guard checks, from a Node request. */
export function guardedRequest(req: IncomingMessage): GuardedRequest {
  const { rawHeaders, headers, method = 'GET', url = '/' } = req
  // Node keeps the first of several Host headers only; the raw list has them all.
  const host = rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]!.toLowerCase() === 'host')
  // A target in absolute form names a host too, and it counts more (RFC 9112 section 3.2.2).
  const target = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url)?.[1]
  const text = (name: string): string | undefined => {
    const value = headers[name]
    return typeof value === 'string' ? value : value?.join(', ')
  }
  return {
    method,
    host: target === undefined || (host.length === 1 && host[0] === target) ? host : [...host, target],
    origin: text('origin'),
    secFetchSite: text('sec-fetch-site'),
    secFetchMode: text('sec-fetch-mode'),
    secFetchDest: text('sec-fetch-dest'),
    secFetchUser: text('sec-fetch-user'),
  }
}

/**
 * The page for a navigation without a click: names what it would open, and does nothing. With the host, which has been checked: a
 * path that begins with two slashes would lead elsewhere.
 */
export function confirmPage(
  { headers, url = '/' }: IncomingMessage,
  title = 'Open this address?',
  next = 'Continue only if you expected this.',
): Problem {
  const path = url.startsWith('/') ? url : '/'
  return {
    status: 403,
    title,
    detail: 'Another page sent your browser here without a click. Nothing has been done.',
    next,
    link: { href: `http://${headers.host}${path}`, text: 'Continue' },
  }
}

/**
 * Middleware that lets a request through or answers it: 403 for other users of this machine, 421 and the connection
 * closed when the host is not ours, 403 for other pages, a page to confirm for navigations that no click started. A
 * connection that was closed before it is known whose it is gets no answer. First in line after `securityHeaders()`.
 * The server should be made with `requireHostHeader: false`, so that a missing one gets here.
 */
export function guard({ hosts, judge = judgeRequest, confirm = confirmPage }: GuardOptions): RequestHandler {
  return (req, res, next) => {
    localUser$(req.socket).subscribe(user => {
      if (user === 'gone') return void req.socket.destroy()
      if (user === 'other') return sendProblem(req, res, notYours)
      switch (judge(guardedRequest(req), hosts(), req)) {
        case 'allow':
          return next()
        case 'misdirected':
          res.setHeader('Connection', 'close')
          return sendProblem(req, res, misdirected)
        case 'forbidden':
          return sendProblem(req, res, forbidden)
        case 'confirm':
          return sendProblem(req, res, confirm(req))
      }
    })
  }
}

/**
 * The same judgement for an upgrade (WebSocket). There is no page to confirm, so what needs it is forbidden. Calls back
 * when it is allowed; answers it otherwise, and closes its socket.
 */
export function guardUpgrade(
  req: IncomingMessage,
  socket: Socket,
  decide: (request: GuardedRequest) => GuardDecision,
  next: () => void,
): void {
  // The other side may be gone already.
  socket.on('error', () => socket.destroy())
  localUser$(socket).subscribe(user => {
    if (user === 'gone') return void socket.destroy()
    if (user === 'other') return sendUpgradeProblem(req, socket, notYours)
    const decision = decide(guardedRequest(req))
    if (decision === 'allow') next()
    else sendUpgradeProblem(req, socket, decision === 'misdirected' ? misdirected : forbidden)
  })
}

/**
 * Middleware that sets what other origins may do with an answer: nothing. No CORS header is ever sent. A route that
 * writes a page sets its own Content-Security-Policy (`contentSecurityPolicy`).
 */
export function securityHeaders(): RequestHandler {
  const policy = contentSecurityPolicy()
  return (_req, res, next) => {
    res.removeHeader('X-Powered-By')
    res.setHeader('Content-Security-Policy', policy)
    res.setHeader('X-Content-Type-Options', 'nosniff')
    res.setHeader('X-Frame-Options', 'DENY')
    res.setHeader('Cross-Origin-Resource-Policy', 'same-origin')
    res.setHeader('Cross-Origin-Opener-Policy', 'same-origin')
    res.setHeader('Referrer-Policy', 'no-referrer')
    next()
  }
}
