import { concat, defer, ignoreElements, type Observable, of } from 'rxjs'
import { nodeCrypto } from './adapters/crypto/crypto.node.js'
import { fetchHubClient } from './adapters/hub/http-client.js'
import { optional, text, verifyOptions } from './protocol/options.js'
import { hubUrl, type Identity } from './protocol/peer/metadata.js'
import { assertNickname } from './protocol/peer/nickname.js'
import { registration$ } from './streams/signaling/registration.js'

/** Who registers, and where. */
export interface RegisterOptions {
  /** The hub's address: `hub.example`, or `http://127.0.0.1:3000`. */
  readonly host: string
  /** Letters a to z, digits and hyphens, at most 63: a letter first, no hyphen last. */
  readonly nickname: string
  /** A code from the hub's operator, where the hub asks for one. */
  readonly invite?: string
}

/**
 * Makes a key pair and registers it at a hub under a nickname: the identity that `createPeer$` needs. Keep it, since whoever
 * has its private key is that peer, and a nickname is given only once.
 *
 * Cold: each subscription makes another key pair. Emits the identity once the hub has it, and completes. Errors with
 * `invalid-option`, `malformed-nickname`, `registration-refused` (the nickname is taken, or the hub wants another invite),
 * `rate-limited`, `hub-unreachable` or `hub-protocol`. Buffers nothing.
 *
 * @param options see `RegisterOptions`.
 * @example
 * import { register$ } from 'lighthouse-peer'
 * import { createHub$ } from 'lighthouse-peer/hub'
 * import { switchMap, take } from 'rxjs'
 *
 * createHub$({ port: 0, database: ':memory:' })
 *   .pipe(
 *     switchMap(({ url }) => register$({ host: url, nickname: 'alice' })),
 *     take(1),
 *   )
 *   .subscribe(({ nickname, pubKey }) => console.log(nickname, pubKey.length))
 * // → alice 44
 */
export function register$(options: RegisterOptions): Observable<Identity> {
  return defer(() => {
    verifyOptions(options, { host: text, nickname: text, invite: optional(text) })
    const { host, nickname, invite } = options
    assertNickname(nickname)
    const identity: Identity = { ...nodeCrypto.generateKeyPair(), nickname, host }
    const registered$ = registration$(fetchHubClient(hubUrl(host)), nodeCrypto, identity, invite)
    return concat(registered$.pipe(ignoreElements()), of(identity))
  })
}
