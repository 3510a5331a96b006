/** Whom a hub is measured with: wallets, names and sessions, written through its own store. */
import { type Observable, ReplaySubject, firstValueFrom } from 'rxjs'
import { nodeCrypto } from '../src/adapters/crypto/crypto.node.js'
import { blockHash } from '../src/hub/adapters/store/block-hash.js'
import { postgresStore$ } from '../src/hub/adapters/store/postgres-store.js'
import { sqliteStore$ } from '../src/hub/adapters/store/sqlite-store.js'
import type { HubLogger } from '../src/hub/ports/logger.js'
import type { HubStore, KeyPair } from '../src/hub/ports/store.js'
import { registerText } from '../src/protocol/signaling/signed-texts.js'

/** A session of which the hub knows offer and answer, with the places of its parties in `accounts`. */
export interface BenchSession {
  readonly session: string
  readonly consumer: number
  readonly seeder: number
}

export interface Community {
  readonly hubKey: string
  readonly accounts: readonly KeyPair[]
  readonly sessions: readonly BenchSession[]
}

export interface CommunitySize {
  readonly accounts: number
  /** Between the first half of the accounts, who consume, and the second, who seed. */
  readonly sessions: number
}

/** Enough for whatever is settled here: a million coins. */
const grantBytes = 10 ** 12

/** As many calls at once as a pool has connections. */
const callsAtOnce = 10

/** Letters alone, as nicknames have it: `baaa`, `baab`, … */
export function nicknameOf(index: number): string {
  return (26 ** 4 + index).toString(26).replace(/./g, digit => String.fromCharCode(97 + Number.parseInt(digit, 26)))
}

const quiet: HubLogger = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** The store behind an address as `--database` takes it. It stays open until `close`. */
export async function openStore(database: string): Promise<{ readonly store: HubStore; readonly close: () => void }> {
  const path = /^sqlite:(.+)$/.exec(database)?.[1]
  const store$: Observable<HubStore> =
    path === undefined ? postgresStore$(database, blockHash, quiet) : sqliteStore$(path, blockHash, quiet)
  const opened$ = new ReplaySubject<HubStore>(1)
  const running = store$.subscribe(opened$)
  return { store: await firstValueFrom(opened$), close: () => running.unsubscribe() }
}

async function each<Item>(
  items: readonly Item[],
  work: (item: Item, index: number) => Promise<unknown>,
): Promise<void> {
  for (let start = 0; start < items.length; start += callsAtOnce) {
    await Promise.all(items.slice(start, start + callsAtOnce).map((item, index) => work(item, start + index)))
  }
}

/** Registers everybody and opens the sessions, as the hub would on their word. */
export async function populate(store: HubStore, size: CommunitySize): Promise<Community> {
  const timeMs = Date.now()
  const { pubKey: hubKey } = await store.keyPair(nodeCrypto.generateKeyPair)
  const accounts = Array.from({ length: size.accounts }, nodeCrypto.generateKeyPair)
  await each(accounts, ({ pubKey, privKey }, index) => {
    const nickname = nicknameOf(index)
    const signature = nodeCrypto.sign(privKey, registerText(nickname, pubKey))
    return store.register({ nickname, pubKey, signature, grantBytes, timeMs })
  })
  const half = Math.floor(size.accounts / 2)
  const sessions = Array.from({ length: size.sessions }, (_, index) => ({
    session: nodeCrypto.randomId(16),
    consumer: index % half,
    seeder: half + (index % half),
  }))
  await each(sessions, async ({ session, consumer, seeder }) => {
    const request = { session, consumer: accounts[consumer]!.pubKey, seeder: accounts[seeder]!.pubKey, timeMs }
    await store.recordOffer(request)
    await store.recordAnswer(request)
  })
  return { hubKey, accounts, sessions }
}
