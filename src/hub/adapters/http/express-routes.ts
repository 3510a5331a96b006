import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
} from 'express'
import helmet from 'helmet'
import type { CryptoPort } from '../../../ports.js'
import { formatCoins } from '../../../protocol/coins/amount.js'
import { nicknameFlaw } from '../../../protocol/peer/nickname.js'
import { isPublicKey } from '../../../protocol/signaling/signal.js'
import type { RegistrationPolicy } from '../../../protocol/peer/registration-policy.js'
import { admitRegistration, inviteRefusal } from '../../protocol/signaling/registry.js'
import type { HealthReport } from '../../ports/health.js'
import type { HubLogger } from '../../ports/logger.js'
import type { HubMetrics, RegistrationOutcome } from '../../ports/metrics.js'
import type { HubStore, RegistrationResult } from '../../ports/store.js'
import { type ControlContext, controlRoutes } from './control-routes.js'
import type { TrustsProxy } from './trusted-proxies.js'
import { ledgerLines } from './ledger-lines.js'
import { sendJsonProblem, sendMalformed } from './problem.js'

/** A registration has about 250 bytes. */
const maxBodyBytes = 4_096

const takenDetails: Readonly<Record<(RegistrationResult & { type: 'taken' })['what'], string>> = {
  nickname: 'This nickname is taken. Choose another.',
  key: 'This key is registered under another nickname. Use that one, or make a new key.',
  both: 'This key is registered under this nickname already. There is nothing left to do.',
}

/** What the routes need. */
export interface RoutesContext {
  readonly store: HubStore
  readonly hubKey: string
  readonly version: string
  readonly grantBytes: number
  readonly registration: RegistrationPolicy
  readonly crypto: Pick<CryptoPort, 'sha256' | 'verify'>
  /** Says within two seconds what works. */
  readonly health: () => Promise<HealthReport>
  /** The operator's routes; undefined where there are none. */
  readonly control: ControlContext | undefined
  /** Milliseconds since 1970. */
  readonly nowMs: () => number
  readonly metrics: HubMetrics
  readonly logger: HubLogger
  readonly trustsProxy: TrustsProxy
  readonly registrationLimit: RequestHandler
  readonly lookupLimit: RequestHandler
  readonly downloadLimit: RequestHandler
  /** Whether this key, which has proven itself, may ask once more. */
  readonly mayRegister: (pubKey: string) => Promise<boolean>
}

function register(context: RoutesContext): RequestHandler {
  const { store, crypto, grantBytes, registration, nowMs, metrics, logger } = context
  return async (request, response) => {
    const refuse = (status: number, outcome: RegistrationOutcome, detail: string, code: string = outcome): void => {
      metrics.registration(outcome)
      sendJsonProblem(response, status, code, detail)
    }
    const admitted = admitRegistration(request.body, registration, crypto.verify.bind(crypto))
    if ('status' in admitted) return refuse(admitted.status, admitted.code, admitted.detail)
    const { nickname, pub_key: pubKey, signature, invite } = admitted
    // After the proof, so that nobody locks a key out that is not his.
    if (!(await context.mayRegister(pubKey)))
      return refuse(429, 'rate-limited', 'This key asks too often. Wait a minute.')
    // Where everybody may come a code is not used up.
    const code = registration === 'invite' && invite !== undefined ? { inviteHash: crypto.sha256(invite) } : {}
    const result = await store.register({ nickname, pubKey, signature, grantBytes, timeMs: nowMs(), ...code })
    if (result.type === 'refused') return refuse(inviteRefusal.status, inviteRefusal.code, inviteRefusal.detail)
    if (result.type === 'taken') {
      const what = result.what === 'nickname' ? 'nickname-taken' : 'key-taken'
      return refuse(409, 'taken', takenDetails[result.what], what)
    }
    metrics.registration('registered')
    logger.info({ nickname, seq: result.line.seq }, 'registered')
    response.status(201).json({ nickname, pub_key: pubKey, coins: formatCoins(result.line.bytes) })
  }
}

function resolve({ store }: RoutesContext): RequestHandler {
  return async (request, response) => {
    const nickname = String(request.params.nickname)
    const flaw = nicknameFlaw(nickname)
    if (flaw !== undefined) return sendMalformed(response, `A nickname ${flaw}. Check the spelling.`)
    const pubKey = await store.resolve(nickname)
    if (pubKey === undefined) {
      return sendJsonProblem(response, 404, 'unknown-nickname', 'Nobody has this nickname. Check the spelling.')
    }
    response.type('text/plain').send(pubKey)
  }
}

function coins({ store }: RoutesContext): RequestHandler {
  return async (request, response) => {
    const { pub_key: query } = request.query
    // A plus that was not escaped arrives as a space, and base64 has none of those.
    const pubKey = typeof query === 'string' ? query.replaceAll(' ', '+') : ''
    if (!isPublicKey(pubKey)) {
      return sendMalformed(response, 'Ask with ?pub_key= and the base64 of a public key, URL-encoded.')
    }
    const bytes = await store.balance(pubKey)
    if (bytes === undefined)
      return sendJsonProblem(response, 404, 'unknown-key', 'Nobody registered this key. Register first.')
    response.type('text/plain').send(formatCoins(bytes))
  }
}

function ledger({ store, logger }: RoutesContext): RequestHandler {
  return async (request: Request, response: Response) => {
    const { after = '0' } = request.query
    const seq = typeof after === 'string' && /^\d{1,15}$/.test(after) ? Number(after) : undefined
    if (seq === undefined) {
      return sendMalformed(response, 'Ask with ?after= and a block number: 0 for the whole ledger.')
    }
    response.type('application/x-ndjson')
    try {
      await pipeline(Readable.from(ledgerLines(store, seq), { highWaterMark: 1 }), response)
    } catch (error) {
      // The reader left, or the store failed. The answer is cut off either way, which a reader of chunks can tell.
      logger.warn({ err: error }, 'a ledger download ended early')
    }
  }
}

const failingDetails = {
  database: 'The database cannot be read or written.',
  bus: 'The other processes of this hub cannot be reached.',
}

function health({ health: look, hubKey, version, registration }: RoutesContext): RequestHandler {
  return async (_request, response) => {
    const { head, database, bus } = await look()
    const failing = (['database', 'bus'] as const).filter(what => ({ database, bus })[what] === 'failing')
    const status = failing.length === 0 ? 'ok' : 'failing'
    const detail = failing.length === 0 ? {} : { detail: failing.map(what => failingDetails[what]).join(' ') }
    response
      .status(failing.length === 0 ? 200 : 503)
      .json({ status, hub_key: hubKey, version, registration, head, database, bus, ...detail })
  }
}

function failure({ logger, metrics }: RoutesContext): ErrorRequestHandler {
  return (error: { readonly status?: unknown }, request, response, next) => {
    if (response.headersSent) return next(error)
    const status = typeof error.status === 'number' ? error.status : 500
    if (status >= 400 && status < 500) {
      if (request.method === 'POST') metrics.registration('malformed')
      if (status === 413)
        return sendJsonProblem(response, 413, 'malformed', `A request has at most ${maxBodyBytes} bytes. Send less.`)
      return sendMalformed(response, 'The request cannot be read. Check its JSON, its encoding and its URL.')
    }
    logger.error({ err: error }, 'a request failed')
    const detail = 'The hub cannot do this now. Try again in a moment; nothing was changed.'
    sendJsonProblem(response, 503, 'unavailable', detail)
  }
}

/** What was true before is no answer: out of a cache on the way an older head looks like a ledger that was rolled back. */
const notToStore: RequestHandler = (_request, response, next) => {
  response.set('Cache-Control', 'no-store')
  next()
}

/** The hub's HTTP routes. Keeps no state of its own and starts nothing. */
export function hubRoutes(context: RoutesContext): Express {
  const { metrics, registrationLimit, lookupLimit, downloadLimit } = context
  const routes = express()
  routes.set('trust proxy', context.trustsProxy)
  routes.set('query parser', 'simple')
  routes.use(helmet())
  routes.use('/v1', notToStore)
  routes.post('/v1/register', registrationLimit, express.json({ limit: maxBodyBytes }), register(context))
  routes.get('/v1/resolve/:nickname', lookupLimit, resolve(context))
  routes.get('/v1/coins', lookupLimit, coins(context))
  routes.get('/v1/ledger', lookupLimit, downloadLimit, ledger(context))
  routes.get('/v1/health', health(context))
  if (context.control !== undefined) routes.use('/control', lookupLimit, controlRoutes(context.control))
  routes.get('/metrics', async (_request, response) => {
    const { type, body } = await metrics.text()
    response.type(type).send(body)
  })
  routes.use((_request, response) => {
    sendJsonProblem(response, 404, 'not-found', 'This is a Lighthouse hub. See docs/PROTOCOL.md for its routes.')
  })
  routes.use(failure(context))
  return routes
}
