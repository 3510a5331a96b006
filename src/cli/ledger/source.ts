import { createReadStream, openSync, readSync, closeSync } from 'node:fs'
import { resolve } from 'node:path'
import { defer, EMPTY, from, map, type Observable, of, repeat, switchMap, tap } from 'rxjs'
import { readMetadata } from '../../adapters/store/metadata-file.node.js'
import { isMissing } from '../../adapters/store/private-file.node.js'
import type { HubClient } from '../../ports.js'
import { type LedgerDatabase, rowLine } from '../../hub/protocol/settlement/ledger-rows.js'
import { LighthouseError, toLighthouseError } from '../../protocol/errors.js'
import { maxLedgerLineBytes, parseLedgerLine } from '../../protocol/ledger/ledger-line.js'
import { LineSplitter } from '../../protocol/line-splitter.js'
import { hubUrl } from '../../protocol/peer/metadata.js'
import { isPublicKey, type LedgerHead } from '../../protocol/signaling/signal.js'
import type { Context } from '../commands/context.js'
import { CommandFailure } from '../failure.js'

/** Where a ledger is read from. */
export interface LedgerSource {
  /** Of a hub the end is known; the others are copies, which end where they were made. */
  readonly kind: 'hub' | 'database' | 'file'
  /** For people. */
  readonly name: string
  readonly hubKey: string | undefined
  /** What the hub signs as its head now; unchecked. */
  readonly head: LedgerHead | undefined
  /** Lines in order, as they can be had; whoever takes them works synchronously. Errors with `ledger-broken` where they are no lines. */
  readonly line$: Observable<readonly string[]>
  /** What a database detects as damaged in its own file, in words. */
  readonly damage: () => Promise<string | undefined>
}

/** Read at once from a file, 1,300 blocks: a quarter of that made verifying a tenth slower. */
const chunkBytes = 1_048_576

/** Read at once from a database: a megabyte. */
const pageRows = 1_000

/** What a SQLite file begins with. */
const sqliteMark = 'SQLite format 3\0'

/** For sources that cannot check themselves. */
const undamaged = async (): Promise<undefined> => undefined

function broken(message: string): LighthouseError {
  return new LighthouseError('ledger-broken', message)
}

async function* fileLines(path: string): AsyncGenerator<readonly string[]> {
  const splitter = new LineSplitter(maxLedgerLineBytes)
  // A ledger is ASCII; anything else becomes some other character, which is seen.
  for await (const chunk of createReadStream(path, { encoding: 'latin1', highWaterMark: chunkBytes })) {
    const lines = splitter.push(chunk as string)
    if (lines === undefined) throw broken(`a line is longer than ${maxLedgerLineBytes} bytes`)
    yield lines
  }
  if (splitter.rest !== '') throw broken('the file ends in the middle of a line')
}

async function* databaseLines(database: LedgerDatabase): AsyncGenerator<readonly string[]> {
  for (let after = 0; ;) {
    const rows = await database.blocksAfter(after, pageRows)
    if (rows.length === 0) return
    yield rows.map(rowLine)
    const last = Number(rows.at(-1)!.seq)
    // The verifier has reported it already.
    if (!(last > after)) return
    after = last
  }
}

/** All pages of a hub's ledger, to its end or at least to `head`. */
function hubLines$(client: HubClient, head: LedgerHead | undefined): Observable<readonly string[]> {
  return defer(() => {
    let asked = 0
    let last = 0
    return defer(() => client.ledger$((asked = last))).pipe(
      tap(lines => {
        if (lines.length > 0) last = parseLedgerLine(lines.at(-1)!)?.seq ?? last
      }),
      repeat({ delay: () => (last > asked && (head === undefined || last < head.seq) ? of(undefined) : EMPTY) }),
    )
  })
}

function hub$(context: Context, url: URL): Observable<LedgerSource> {
  const client = context.io.parts.hubClient(url)
  return client.head$().pipe(
    map(({ hubKey, head }) => ({
      kind: 'hub',
      name: url.origin,
      hubKey,
      head,
      line$: hubLines$(client, head),
      damage: undamaged,
    })),
  )
}

function database$(name: string, opened$: Observable<LedgerDatabase>): Observable<LedgerSource> {
  return opened$.pipe(
    switchMap(async database => {
      const key = await database.hubKey()
      return {
        kind: 'database' as const,
        name,
        hubKey: isPublicKey(key) ? key : undefined,
        head: undefined,
        line$: from(databaseLines(database)),
        damage: () => database.damage(),
      }
    }),
  )
}

function sqlite$(path: string): Observable<LedgerSource> {
  return defer(() => import('../../hub/adapters/store/ledger-sqlite.js')).pipe(
    switchMap(({ sqliteLedger$ }) => database$(path, sqliteLedger$(path))),
  )
}

function postgres$(url: string): Observable<LedgerSource> {
  return defer(() => import('../../hub/adapters/store/ledger-postgres.js')).pipe(
    // Its password is nobody's business.
    switchMap(({ postgresLedger$ }) => database$('the PostgreSQL database', postgresLedger$(url))),
  )
}

/** The first bytes of a file as text. Throws `usage` when there is no such file. */
function beginning(path: string): string {
  try {
    const file = openSync(path, 'r')
    try {
      const bytes = Buffer.alloc(sqliteMark.length)
      return bytes.toString('latin1', 0, readSync(file, bytes))
    } finally {
      closeSync(file)
    }
  } catch (error) {
    if (isMissing(error)) throw new CommandFailure('usage', `there is no file "${path}"`)
    throw toLighthouseError('store-failed', error, `cannot read "${path}"`)
  }
}

function path$(path: string, isDatabase: boolean): Observable<LedgerSource> {
  const mark = beginning(path)
  if (isDatabase || mark === sqliteMark) return sqlite$(path)
  return of({
    kind: 'file',
    name: path,
    hubKey: undefined,
    head: undefined,
    line$: defer(() => fileLines(path)),
    damage: undamaged,
  })
}

/**
 * Where the ledger is to be read from: an address, a database, a file, or, by default, the hub of the home's
 * identity. Emits once, never completes while something is open; unsubscribing closes it.
 */
export function openSource$(context: Context, text: string | undefined): Observable<LedgerSource> {
  return defer(() => {
    if (text === undefined) {
      const identity = readMetadata(context.home)
      if (identity === undefined)
        throw new CommandFailure(
          'not-registered',
          `nobody is registered in "${context.home}"; name a file, a database or a hub`,
        )
      return hub$(context, hubUrl(identity.host))
    }
    if (/^https?:\/\//i.test(text)) return hub$(context, hubUrl(text))
    if (/^postgres(ql)?:\/\//i.test(text)) return postgres$(text)
    const database = /^sqlite:(.+)$/s.exec(text)?.[1]
    return path$(resolve(context.io.cwd, database ?? text), database !== undefined)
  })
}
