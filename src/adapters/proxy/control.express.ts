/**
 * What only a program with the control token may ask of the peer: to stop, to write off a debt, to trust or forget a key, and what `doctor` needs.
 */
import type { Express, Request, RequestHandler, Response } from 'express'
import { defer, fromEvent, merge, type Observable, take, takeUntil } from 'rxjs'
import type { KeyOfPeer } from '../../ports/known-keys.js'
import { formatCoins } from '../../protocol/coins/amount.js'
import { type Problem, sendProblem } from '../http/problem.node.js'
import type { ProxyBackend } from './backend.js'
import { sendFailure } from './proxy-problem.node.js'
import { isToken } from './token.node.js'

const wrongToken: Problem = {
  status: 403,
  title: 'The control token is missing or wrong',
  detail: 'Only a program that knows the token of this run may control the peer.',
  next: 'Use the command "lighthouse-peer" in the home directory of this peer.',
}

/** Answers a method that a route does not have. */
export function methodNotAllowed(allow: string): RequestHandler {
  return (req, res) => {
    res.setHeader('Allow', allow)
    sendProblem(req, res, {
      status: 405,
      title: `${req.method} is not allowed here`,
      detail: `Allowed: ${allow}.`,
      next: `Use ${allow.split(',')[0]!}.`,
    })
  }
}

/** Asks once, and answers with the first value or with the failure. */
export function answerWith<T>(
  value$: (req: Request) => Observable<T>,
  answer: (value: T, req: Request, res: Response) => void,
  stop$: Observable<unknown>,
): RequestHandler {
  return (req, res) => {
    res.setHeader('Cache-Control', 'no-store')
    defer(() => value$(req))
      .pipe(take(1), takeUntil(merge(stop$, fromEvent(res, 'close'))))
      .subscribe({ next: value => answer(value, req, res), error: error => sendFailure(req, res, error) })
  }
}

/** Answers with a line of JSON for each value, as they come. A failure before the first one is a problem document. */
function linesOf(value$: (req: Request) => Observable<object>, stop$: Observable<unknown>): RequestHandler {
  return (req, res) => {
    res.setHeader('Cache-Control', 'no-store')
    res.type('application/x-ndjson')
    defer(() => value$(req))
      .pipe(takeUntil(merge(stop$, fromEvent(res, 'close'))))
      .subscribe({
        next: value => void res.write(`${JSON.stringify(value)}\n`),
        error: error => sendFailure(req, res, error),
        complete: () => void res.end(),
      })
  }
}

const nicknameOf = (req: Request): string => String(req.params.nickname)

/** `known` is null where nothing was remembered. */
function answerKey({ known, current }: KeyOfPeer, req: Request, res: Response): void {
  res.json({ nickname: nicknameOf(req), known: known ?? null, current })
}

/** Adds the control routes. */
export function peerControls(app: Express, peer: ProxyBackend, stop$: Observable<unknown>): void {
  const control = (path: string, handler: RequestHandler): void => {
    const onlyWithToken: RequestHandler = (req, res, next) => {
      if (isToken(req.get('x-lighthouse-token'), peer.controlToken)) next()
      else sendProblem(req, res, wrongToken)
    }
    app.route(path).post(onlyWithToken, handler).all(methodNotAllowed('POST'))
  }
  control('/control/stop', (_req, res) => {
    // After the answer is out, since stopping closes the connection that carries it.
    res.once('close', () => peer.requestStop())
    res.status(202).json({ stopping: true })
  })
  control(
    '/control/forgive/:nickname',
    answerWith(
      req => peer.forgive$(nicknameOf(req)),
      (bytes, req, res) => res.json({ nickname: nicknameOf(req), coins: formatCoins(bytes), bytes }),
      stop$,
    ),
  )
  control(
    '/control/key/:nickname',
    answerWith(req => peer.keys.lookUp$(nicknameOf(req)), answerKey, stop$),
  )
  control(
    '/control/trust/:nickname/:key',
    answerWith(req => peer.keys.trust$(nicknameOf(req), String(req.params.key)), answerKey, stop$),
  )
  control(
    '/control/forget/:nickname',
    answerWith(
      req => peer.keys.forget$(nicknameOf(req)),
      ({ key, site }, req, res) => res.json({ nickname: nicknameOf(req), key: key ?? null, site: site ?? null }),
      stop$,
    ),
  )
  control(
    '/control/facts',
    answerWith(
      () => peer.facts$,
      (facts, _req, res) => res.json(facts),
      stop$,
    ),
  )
  control(
    '/control/probe/:nickname',
    linesOf(req => peer.probe$(nicknameOf(req)), stop$),
  )
}
