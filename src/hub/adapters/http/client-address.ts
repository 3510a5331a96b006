import type { IncomingMessage } from 'node:http'
import type { TrustsProxy } from './trusted-proxies.js'

/**
 * The address of a request's client: the nearest that is not one of the proxies to be trusted. For requests that do not pass
 * through Express.
 */
export function clientAddress(request: IncomingMessage, trusted: TrustsProxy): string {
  const forwarded = String(request.headers['x-forwarded-for'] ?? '')
    .split(',')
    .map(address => address.trim())
    .filter(address => address !== '')
  // The nearest first: each proxy appends whom it was asked by.
  const hops = [request.socket.remoteAddress ?? '', ...forwarded.toReversed()]
  return hops.find((address, hop) => !trusted(address, hop)) ?? hops.at(-1)!
}
