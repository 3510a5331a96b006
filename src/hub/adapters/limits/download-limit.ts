import type { RequestHandler } from 'express'
import { type ByOrigin, isLoopback } from '../../protocol/limits/by-origin.js'
import type { ConcurrencyLimiter } from '../../protocol/limits/concurrency-limiter.js'
import { addressKey } from './address-key.js'
import { sendJsonProblem } from '../http/problem.js'

/** Of all addresses: each holds a page of the ledger and what the system buffers, about 1 MiB. */
const maxDownloads = 128

/**
 * At most so many answers under way to one address (to one /56 with IPv6), and 128 in all; beyond that 429 and `onLimit`.
 * A rate alone does not bound them: whoever reads slowly keeps each for as long as he likes.
 */
export function downloadLimit(
  perAddress: ByOrigin<number>,
  open: ConcurrencyLimiter,
  onLimit: () => void,
): RequestHandler {
  return (request, response, next) => {
    const { ip = '' } = request
    const key = addressKey(ip)
    const bound = isLoopback(ip) ? perAddress.loopback : perAddress.others
    if (open.of(key) >= bound || open.size >= maxDownloads) {
      onLimit()
      const detail = 'Too many downloads of the ledger are under way. Finish one, then try again.'
      return sendJsonProblem(response, 429, 'rate-limited', detail)
    }
    response.once('close', open.enter(key))
    next()
  }
}
