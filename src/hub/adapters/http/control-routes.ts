import { createHash, timingSafeEqual } from 'node:crypto'
import { type RequestHandler, Router } from 'express'
import { maxInvites } from '../../protocol/signaling/registry.js'
import { sendMalformed } from './problem.js'

/** What the operator's own routes need. */
export interface ControlContext {
  /** Whoever knows it may use them. */
  readonly token: string
  /** Makes so many invites and resolves with them when they are durable. */
  readonly makeInvites: (count: number) => Promise<readonly string[]>
}

/** Compared as digests, which have one length: the time it takes says nothing about the token. */
function isToken(given: string | undefined, token: string): boolean {
  const [one, other] = [given ?? '', token].map(text => createHash('sha256').update(text).digest())
  return timingSafeEqual(one!, other!)
}

function invites({ makeInvites }: ControlContext): RequestHandler {
  return async (request, response) => {
    const { count = '1' } = request.query
    const wanted = typeof count === 'string' && /^\d{1,4}$/.test(count) ? Number(count) : 0
    if (wanted < 1 || wanted > maxInvites) {
      return sendMalformed(response, `Ask with ?count= and a number from 1 to ${maxInvites}.`)
    }
    response.status(201).json({ invites: await makeInvites(wanted) })
  }
}

/**
 * Routes for the operator, below `/control`, with the header `X-Lighthouse-Token`. To everybody else there are none: they get
 * the answer that any unknown path gets.
 */
export function controlRoutes(context: ControlContext): Router {
  const router = Router()
  router.use((request, _response, next) => {
    next(isToken(request.get('x-lighthouse-token'), context.token) ? undefined : 'router')
  })
  router.post('/invites', invites(context))
  return router
}
