import type { IncomingMessage } from 'node:http'
import express from 'express'
import { wrapError } from '../../../protocol/errors.js'

/** Whether an address is one of the proxies in front; `hop` is 0 for who is connected, and counts from there. */
export type TrustsProxy = (address: string, hop: number) => boolean

/** What Express's `trust proxy` says. Throws `invalid-option`. */
export function trustedProxies(trustProxy: boolean | number | string): TrustsProxy {
  const routes = express()
  try {
    routes.set('trust proxy', trustProxy)
  } catch (error) {
    throw wrapError('invalid-option', error, '"trustProxy" must be what Express takes as "trust proxy"')
  }
  return routes.get('trust proxy fn') as TrustsProxy
}

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
