/**
 * The composition root of a hub, and the package's entry `lighthouse-peer/hub`.
 */
import { asyncScheduler, concatMap, defer, map, type Observable, switchMap, take } from 'rxjs'
import { nodeCrypto } from '../adapters/crypto/crypto.node.js'
import { verifyOptions, whole } from '../protocol/options.js'
import { blockHash } from './adapters/store/block-hash.js'
import { type HubOptions, readHubOptions } from './options.js'
import { maxInvites } from './protocol/signaling/registry.js'
import { makeInvites } from './streams/http/invites.js'
import { checkLedgerHead$ } from './streams/settlement/ledger-head.js'
import { ownKeys$ } from './streams/store/own-keys.js'
import { openShared$, openStore$, ownDatabase, silent } from './opening.js'
import { serve$ } from './serving.js'

export type { HubOptions } from './options.js'
export type { HubRateLimits } from './protocol/limits/limit-options.js'
export type { HubLogger } from './ports/logger.js'
export type { TurnOptions } from './protocol/signaling/ice.js'
export type { RegistrationPolicy } from '../protocol/peer/registration-policy.js'

/** A running hub. */
export interface Hub {
  /** Where peers reach it on this machine, like `http://127.0.0.1:3000`. */
  readonly url: string
  readonly port: number
  /** What it listens on, as the system says it: `0.0.0.0` and `::` are all addresses. */
  readonly address: string
  /** Base64 of the public key by which peers know this hub. */
  readonly hubKey: string
}

/** A wildcard cannot be dialled everywhere; what answers on it answers on loopback. */
function reachableUrl(host: string, port: number): string {
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}

/**
 * A whole hub: names, logins, signaling and the ledger of coins.
 *
 * Cold: each subscription opens a database and a listener and emits the `Hub` once both are there; it never completes.
 * Unsubscribing frees the port at once, cuts every connection, and closes the database and every timer. Prints nothing.
 *
 * Errors with `invalid-option` (the message names the field), `port-in-use`, `address-unavailable`, or `store-failed` when the database cannot
 * be opened, is in use by another hub, is lost or another hub's, or its newest blocks are damaged, or when the bus cannot be reached.
 *
 * What one client can make it hold is bounded: 128 KiB of a packet, 1 MiB of signals that wait for the store, 2 MiB that
 * wait for a slow reader, with which it is cut off; 4,096 receipts that wait to be settled are of all clients together.
 *
 * @example
 * import { createHub$ } from 'lighthouse-peer/hub'
 * import { take } from 'rxjs'
 *
 * createHub$({ port: 0, database: ':memory:' })
 *   .pipe(take(1))
 *   .subscribe(({ url, port }) => console.log(url === `http://127.0.0.1:${port}`))
 * // → true
 */
export function createHub$(options: HubOptions = {}): Observable<Hub> {
  return defer(() => {
    const settings = readHubOptions(options)
    const { crypto = nodeCrypto, logger = silent } = options
    const own = ownDatabase(settings)
    return openStore$(settings, own, logger).pipe(
      switchMap(store =>
        checkLedgerHead$(store, blockHash).pipe(
          concatMap(() => ownKeys$(store, own, () => crypto.generateKeyPair(), logger)),
          switchMap(keys =>
            openShared$(settings, keys.pubKey, options).pipe(
              switchMap(shared => serve$({ ...shared, store, keys }, settings, options)),
              map(({ port, address }) => ({
                url: reachableUrl(settings.host, port),
                port,
                address,
                hubKey: keys.pubKey,
              })),
            ),
          ),
        ),
      ),
    )
  })
}

/** What `createInvites$` makes, and where. */
export interface InviteOptions extends Pick<HubOptions, 'database' | 'keyMarker' | 'logger' | 'crypto' | 'scheduler'> {
  /** How many, 1 to 1,000. Default 1. */
  readonly count?: number
}

/**
 * Makes codes of which each lets one person register, where the hub's `registration` is `invite`. Cold: opens the
 * database on subscription, emits the codes when they are durable, and completes with the database closed. The database keeps
 * their digests alone: who loses a code has lost it.
 *
 * On PostgreSQL this works beside running hubs. A file of SQLite is its hub's alone while that runs: then it errors with
 * `store-failed`, and the hub's `controlToken` is the way.
 *
 * @example
 * import { createInvites$ } from 'lighthouse-peer/hub'
 *
 * createInvites$({ database: ':memory:', count: 3 }).subscribe(codes => console.log(codes.length))
 * // → 3
 */
export function createInvites$(options: InviteOptions): Observable<readonly string[]> {
  return defer(() => {
    const { count = 1, ...hub } = options
    const { crypto = nodeCrypto, scheduler = asyncScheduler, logger = silent } = hub
    verifyOptions({ count }, { count: whole(1, maxInvites) })
    const settings = readHubOptions(hub)
    return openStore$(settings, ownDatabase(settings), logger).pipe(
      concatMap(store => makeInvites(count, store, crypto, scheduler.now())),
      take(1),
    )
  })
}
