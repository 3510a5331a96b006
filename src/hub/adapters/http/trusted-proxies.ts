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
