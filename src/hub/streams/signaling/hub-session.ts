import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  finalize,
  forkJoin,
  from,
  map,
  merge,
  type Observable,
  takeUntil,
} from 'rxjs'
import { formatCoins } from '../../../protocol/coins/amount.js'
import { isLighthouseError, LighthouseError } from '../../../protocol/errors.js'
import type { Signal } from '../../../protocol/signaling/signal.js'
import type { BusSession } from '../../ports/bus.js'
import type { HubSocket } from '../../ports/socket.js'
import { AnswerAllowance } from '../../protocol/limits/answer-allowance.js'
import { authenticate$, signsInIfFree } from './authentication.js'
import type { HubContext } from './context.js'
import { signedHead } from '../settlement/ledger-head.js'
import { settleReceipts$ } from '../settlement/receipt-intake.js'
import { relaySignals$ } from './signal-relay.js'

function replace(socket: HubSocket, { metrics }: HubContext): void {
  metrics.login('replaced')
  socket.send('replaced', { message: 'This key signed in elsewhere. This session is over.' })
  socket.close()
}

function welcome$(socket: HubSocket, pubKey: string, context: HubContext): Observable<void> {
  const { store, iceServersFor, metrics, logger } = context
  return defer(() => forkJoin({ balance: store.balance(pubKey), head: signedHead(context) })).pipe(
    map(({ balance = 0, head }) => {
      metrics.login('authenticated')
      socket.keep()
      logger.info({ peer: pubKey }, 'peer signed in')
      socket.send('authenticated', { coins: formatCoins(balance), ice_servers: iceServersFor(pubKey), head })
    }),
  )
}

function signedIn$(socket: HubSocket, pubKey: string, context: HubContext): Observable<never> {
  const { bus } = context
  return defer(() => {
    // Nothing overtakes `authenticated`. A settlement that is not sent for that is in the balance, which is read later.
    let welcomed = false
    const answers = new AnswerAllowance()
    const session: BusSession = {
      send(event, body) {
        if (!welcomed || !socket.send(event, body)) return false
        if (event === 'signal' && (body as Partial<Signal>).type === 'offer') answers.offered(body)
        return true
      },
      replace: () => replace(socket, context),
    }
    const entered = async (): Promise<void> => {
      if (signsInIfFree(socket.auth) && (await bus.isSignedIn(pubKey))) {
        throw new LighthouseError('session-replaced', 'A peer with this key is signed in already.')
      }
      await bus.enter(pubKey, session)
    }
    return from(entered()).pipe(
      concatMap(() => welcome$(socket, pubKey, context)),
      concatMap(() => {
        welcomed = true
        return merge(relaySignals$(socket, pubKey, context, answers), settleReceipts$(socket, pubKey, context))
      }),
      finalize(() => bus.leave(pubKey, session)),
    )
  })
}

const refusalCodes = ['not-authenticated', 'session-replaced'] as const

function refuse(socket: HubSocket, error: unknown, { metrics, logger }: HubContext): void {
  const known = isLighthouseError(error, 'not-authenticated', 'hub-unreachable', 'session-replaced') ? error : undefined
  metrics.login('refused')
  if (known === undefined) logger.error({ err: error }, 'a signaling session failed')
  else logger.warn({ code: known.code }, 'a login was refused')
  // Only the first two tell the peer to give up; after anything else it comes back by itself.
  const code = refusalCodes.find(each => each === known?.code) ?? 'unavailable'
  socket.send('refused', { code, message: known?.message ?? 'The hub cannot serve this session now. Try again.' })
  socket.close()
}

/**
 * Serves one socket from its connection to its end: login, `authenticated`, then signals and receipts. Never emits and never errors:
 * what goes wrong here ends this socket and nothing else. Completes when the socket is over.
 */
export function serveSocket$(socket: HubSocket, context: HubContext): Observable<never> {
  return authenticate$(socket, context).pipe(
    concatMap(pubKey => signedIn$(socket, pubKey, context)),
    takeUntil(socket.closed$),
    catchError((error: unknown) => {
      refuse(socket, error, context)
      return EMPTY
    }),
  )
}
