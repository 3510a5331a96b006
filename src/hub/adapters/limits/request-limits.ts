import type { RequestHandler } from 'express'
import type { RateLimiter } from '../../ports/limits.js'
import type { ConcurrencyLimiter } from '../../protocol/limits/concurrency-limiter.js'
import { sendJsonProblem } from '../http/problem.js'

/** Of all addresses: each holds a page of the ledger and what the system buffers, about 1 MiB. */
const maxDownloads = 128

/** As many requests of one address as the limiter allows; beyond that 429 and `onLimit`. */
export function addressLimit(limiter: Pick<RateLimiter, 'take'>, onLimit: () => void): RequestHandler {
  return async (request, response, next) => {
    const { allowed, resetMs } = await limiter.take(request.ip ?? '')
    if (allowed) return next()
    onLimit()
    response.set('Retry-After', String(Math.ceil(resetMs / 1_000)))
    const detail = 'Too many requests from this address. Wait a minute, then try again.'
    sendJsonProblem(response, 429, 'rate-limited', detail)
  }
}

/**
 * As many answers under way to one address as the limiter allows, and 128 in all; beyond that 429 and `onLimit`. A rate alone does
 * not bound them: whoever reads slowly keeps each for as long as he likes.
 */
export function downloadLimit(open: ConcurrencyLimiter, onLimit: () => void): RequestHandler {
  return (request, response, next) => {
    const { ip = '' } = request
    if (open.isFull(ip) || open.size >= maxDownloads) {
      onLimit()
      const detail = 'Too many downloads of the ledger are under way. Finish one, then try again.'
      return sendJsonProblem(response, 429, 'rate-limited', detail)
    }
    response.once('close', open.enter(ip))
    next()
  }
}
