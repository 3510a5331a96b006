import { concatMap, defer, from, type Observable, throwError, timeout } from 'rxjs'
import { LighthouseError } from '../../../protocol/errors.js'
import { isPublicKey } from '../../../protocol/signaling/signal.js'
import { authText, hubChallengeText } from '../../../protocol/signaling/signed-texts.js'
import type { HubSocket } from '../../ports/socket.js'
import type { HubContext } from './context.js'

/** 2,048 bits. */
const challengeBytes = 256

/** From the connection to the signature; a round trip takes less than one even over a bad line. */
const authenticateTimeoutMs = 10_000

function notAuthenticated(message: string): LighthouseError {
  return new LighthouseError('not-authenticated', message)
}

function claimedKey(auth: unknown): string {
  const key = typeof auth === 'object' && auth !== null ? (auth as Record<string, unknown>).pub_key : undefined
  if (isPublicKey(key)) return key
  throw notAuthenticated('"auth" must be {pub_key}: base64 of an Ed25519 public key.')
}

/** Whether the key is to be signed in only where it is not: whoever says so takes over from nobody. */
export function signsInIfFree(auth: unknown): boolean {
  return typeof auth === 'object' && auth !== null && (auth as Record<string, unknown>).if_free === true
}

function challenge$(pubKey: string, socket: HubSocket, context: HubContext): Observable<string> {
  const { crypto, keys, limiters, metrics } = context
  return defer(() => {
    // Made here and held by this subscription alone: it fits this socket, once.
    const challenge = crypto.randomId(challengeBytes)
    const signature = crypto.sign(keys.privKey, hubChallengeText(challenge, pubKey))
    // Who asked for it sees that this hub knows it, before it proves its key.
    const more = signsInIfFree(socket.auth) ? { if_free: true } : {}
    return socket.challenge$({ challenge, hub_key: keys.pubKey, signature, ...more }).pipe(
      concatMap(async answer => {
        const proven = typeof answer === 'string' && crypto.verify(pubKey, authText(keys.pubKey, challenge), answer)
        if (!proven) throw notAuthenticated('The signature over the challenge does not verify. Sign it with your key.')
        // After the proof, so that nobody locks a key out that is not his.
        if ((await limiters.logins.take(pubKey)).allowed) return pubKey
        metrics.limited('logins')
        throw new LighthouseError('hub-unreachable', 'This key signs in too often. Wait a minute, then try again.')
      }),
    )
  })
}

/**
 * Lets a socket prove its key.
 *
 * ```
 * socket   ──auth────────answer──▶
 * output   ──────────────K|         or # not-authenticated, # hub-unreachable after 10 s
 * ```
 *
 * Emits the proven public key and completes. Errors with `not-authenticated` for a key that is malformed, not
 * registered or not proven, and with `hub-unreachable` when the answer takes longer than 10 s or the key signs in too often.
 */
export function authenticate$(socket: HubSocket, context: HubContext): Observable<string> {
  const { store, scheduler } = context
  return defer(() => {
    const pubKey = claimedKey(socket.auth)
    return from(store.balance(pubKey)).pipe(
      concatMap(balance =>
        balance === undefined
          ? throwError(() => notAuthenticated('Nobody registered this key here. Register first.'))
          : challenge$(pubKey, socket, context),
      ),
    )
  }).pipe(
    timeout({
      first: authenticateTimeoutMs,
      scheduler,
      with: () =>
        throwError(() => new LighthouseError('hub-unreachable', 'The challenge was not answered within 10 s.')),
    }),
  )
}
