import type { RequestHandler } from 'express'
import { ipKeyGenerator, MemoryStore, rateLimit } from 'express-rate-limit'
import { sendProblem } from './problem.js'

const windowMs = 60_000

/** What one household has of IPv6: whoever holds one address of it holds all. */
const ipv6PrefixBits = 56

/** A limit on requests by address, and how to let go of its timer. */
export interface AddressLimit {
  readonly handler: RequestHandler
  readonly shutdown: () => void
}

/** What an address is counted under: itself, or its /56 with IPv6. */
export function addressKey(address: string): string {
  return ipKeyGenerator(address, ipv6PrefixBits)
}

/** At most `perMinute` requests a minute from one address (from one /56 with IPv6); beyond that 429 and `onLimit`. */
export function addressLimit(perMinute: number, onLimit: () => void): AddressLimit {
  const store = new MemoryStore()
  const handler = rateLimit({
    windowMs,
    limit: perMinute,
    store,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    // Its checks write to the console, which belongs to the program that embeds the hub.
    validate: false,
    keyGenerator: request => addressKey(request.ip ?? ''),
    handler: (_request, response) => {
      onLimit()
      sendProblem(response, 429, 'rate-limited', 'Too many requests from this address. Wait a minute, then try again.')
    },
  })
  return { handler, shutdown: () => store.shutdown() }
}
