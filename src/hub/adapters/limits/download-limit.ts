import type { RequestHandler } from 'express'
import type { ConcurrencyLimiter } from '../../protocol/limits/concurrency-limiter.js'
import { sendJsonProblem } from '../http/problem.js'

/** Of all addresses: each holds a page of the ledger and what the system buffers, about 1 MiB. */
const maxDownloads = 128

/**
 * At most so many answers under way to one address (to one /56 with IPv6), and 128 in all; beyond that 429 and `onLimit`.
 * A rate alone does not bound them: whoever reads slowly keeps each for as long as he likes.
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
