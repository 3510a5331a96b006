import type { RequestHandler } from 'express'
import type { RateLimiter } from '../../ports/limits.js'
import type { ConcurrencyLimiter } from '../../protocol/limits/concurrency-limiter.js'
import { sendJsonProblem } from '../http/problem.js'

/** For all addresses together. Each holds a page of the ledger and the system's buffers, about 1 MiB. */
const maxDownloads = 128

/** Answers 429 and calls `onLimit` when an address makes more requests than the limiter allows. */
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
 * Answers 429 and calls `onLimit` when an address has more downloads in progress than the limiter allows, or all addresses have 128.
 * A rate alone does not bound them, since a slow reader keeps a download open as long as it likes.
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
