import { defer, type Observable } from 'rxjs'
import type { KeyMarker } from '../../../ports/key-marker.js'
import { LighthouseError } from '../../../protocol/errors.js'
import type { HubLogger } from '../../ports/logger.js'
import type { HubStore, KeyPair } from '../../ports/store.js'

/** What is known of a hub's database from before it is opened. */
export interface OwnDatabase {
  /** How messages call it: the address of PostgreSQL may carry a password. */
  readonly name: string
  /** What is wrong with its file, as far as it has one. */
  readonly problem: () => 'missing' | 'empty' | undefined
  readonly marker: KeyMarker | undefined
  /** What was there before is not missed. */
  readonly acceptNew: boolean
}

const advice =
  'Restore it from a backup; or start with --accept-new, for a new hub at which every peer has to register again'

function lost({ name, marker }: OwnDatabase, known: string, state: string): LighthouseError {
  const message = `${name} ${state}, and "${marker?.path}" says that the hub with the key ${known} was there. ${advice}`
  return new LighthouseError('store-failed', message)
}

/**
 * Opens the database of a hub, unless its file is gone and the marker says that there was one: opening would make it anew. Errors
 * with `store-failed` then, and with what `open$` errors with.
 */
export function openOwn$(own: OwnDatabase, open$: Observable<HubStore>): Observable<HubStore> {
  return defer(() => {
    const known = own.acceptNew ? undefined : own.marker?.read()
    const problem = known === undefined ? undefined : own.problem()
    if (known !== undefined && problem !== undefined) throw lost(own, known, `is ${problem}`)
    return open$
  })
}

/**
 * The hub's key pair: that of the database, or a new one where no hub was before. Emits it when the marker says so too, and completes.
 * Errors with `store-failed` where the marker tells of another hub. A marker that cannot be written is logged: the hub
 * works without.
 */
export function ownKeys$(
  store: Pick<HubStore, 'keyPair'>,
  own: OwnDatabase,
  generate: () => KeyPair,
  logger: Pick<HubLogger, 'warn'>,
): Observable<KeyPair> {
  return defer(async () => {
    const { marker } = own
    if (marker === undefined) return store.keyPair(generate)
    const known = own.acceptNew ? undefined : marker.read()
    const keys = await store.keyPair(() => {
      if (known === undefined) return generate()
      throw lost(own, known, 'holds no hub')
    })
    const found = marker.fingerprint(keys.pubKey)
    if (known === found) return keys
    if (known !== undefined && !marker.stands(known, keys.pubKey)) {
      throw lost(own, known, `holds the hub with the key ${found}`)
    }
    try {
      marker.write(keys.pubKey)
    } catch (err) {
      logger.warn({ err }, 'the key of the hub could not be noted: a database that is lost will not be missed')
    }
    return keys
  })
}
