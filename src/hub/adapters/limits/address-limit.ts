import { createHash } from 'node:crypto'
import type { RequestHandler } from 'express'
import type { RateLimiter } from '../../ports/limits.js'
import { sendJsonProblem } from '../http/problem.js'
import { addressKey } from './address-key.js'

/** Names an address to caches and proxies on the way without telling it. */
function partitionKey(key: string): string {
  return Buffer.from(createHash('sha256').update(key).digest('hex').slice(0, 12)).toString('base64')
}

/**
 * At most `perMinute` requests a minute from one address (from one /56 with IPv6); beyond that 429 and `onLimit`. Each answer
 * says what is left, as in draft 8 of "RateLimit header fields for HTTP".
 */
export function addressLimit(perMinute: number, limiter: RateLimiter, onLimit: () => void): RequestHandler {
  const policy = `"${perMinute}-in-1min"`
  return async (request, response, next) => {
    const key = addressKey(request.ip ?? '')
    const { allowed, left, resetMs } = await limiter.take(key)
    const seconds = Math.ceil(resetMs / 1_000)
    response.set('RateLimit', `${policy}; r=${left}; t=${seconds}`)
    response.set('RateLimit-Policy', `${policy}; q=${perMinute}; w=60; pk=:${partitionKey(key)}:`)
    if (allowed) return next()
    response.set('Retry-After', String(seconds))
    onLimit()
    sendJsonProblem(
      response,
      429,
      'rate-limited',
      'Too many requests from this address. Wait a minute, then try again.',
    )
  }
}
