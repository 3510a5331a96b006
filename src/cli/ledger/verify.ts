import { randomFillSync } from 'node:crypto'
import { lastValueFrom, type Observable, scan, takeUntil, tap } from 'rxjs'
import { ledgerHash } from '../../adapters/ledger-hash.node.js'
import type { LedgerDatabase } from '../../hub/protocol/ledger-rows.js'
import type { CryptoPort } from '../../ports.js'
import { LighthouseError, isLighthouseError } from '../../protocol/errors.js'
import { LedgerAudit } from '../../protocol/ledger-audit.js'
import { type LedgerEntry, parseLedgerLine } from '../../protocol/ledger-line.js'
import { isSession } from '../../protocol/signal.js'
import { headText } from '../../protocol/signed-texts.js'
import { CommandFailure } from '../failure.js'
import type { LedgerSource } from './source.js'

/** Read at once from a table. */
const pageRows = 1_000

/** How a ledger is verified. */
export interface VerifyOptions {
  readonly crypto: CryptoPort
  /** Whether the consumers' signatures are checked, which is where the time goes. */
  readonly signatures: boolean
  /** Sees every line that is a block, also behind one that is wrong. Without it the first wrong one ends the work. */
  readonly observe?: (entry: LedgerEntry) => void
  /** Called with the number of blocks, after each piece that was read. */
  readonly progress: (blocks: number) => void
  readonly interrupt$: Observable<void>
}

/** What a ledger came to. `problem` names the first block that is wrong. */
export interface Verdict {
  readonly audit: LedgerAudit
  readonly problem: string | undefined
}

function headProblem(
  { seq, hash }: LedgerAudit,
  { head, hubKey }: LedgerSource,
  crypto: CryptoPort,
): string | undefined {
  if (head === undefined) return undefined
  if (seq === 0 && !crypto.verify(hubKey ?? '', headText(head.seq, head.hash), head.signature)) {
    return 'the head that the hub shows is not signed by its key'
  }
  if (seq === head.seq && hash !== head.hash)
    return `ledger block ${seq}: its hash is not the one that the hub signed as its head`
  return undefined
}

async function tableProblem(database: LedgerDatabase, audit: LedgerAudit): Promise<string | undefined> {
  let wallets = 0
  for (let after = '', isMore = true; isMore;) {
    const rows = await database.walletsAfter(after, pageRows)
    for (const { pub_key: key, bytes } of rows) {
      const expected = audit.wallets.get(String(key))?.bytes
      if (expected === undefined) return `the wallet of ${String(key)} is not in the ledger`
      if (Number(bytes) !== expected)
        return `the wallet of ${String(key)} holds ${String(bytes)} bytes, and ${expected} by the ledger`
      wallets += 1
    }
    after = String(rows.at(-1)?.pub_key)
    isMore = rows.length === pageRows
  }
  if (wallets !== audit.wallets.size)
    return `${audit.wallets.size - wallets} of ${audit.wallets.size} wallets of the ledger are not in the database`
  for (let after = '', isMore = true; isMore;) {
    const rows = await database.settledAfter(after, pageRows)
    for (const { session, settled } of rows) {
      const expected = isSession(session) ? audit.sessions.get(session) : undefined
      if (Number(settled) !== expected)
        return `session ${String(session)} is settled up to ${String(settled)} bytes, and ${expected ?? 0} by the ledger`
    }
    after = String(rows.at(-1)?.session)
    isMore = rows.length === pageRows
  }
  return undefined
}

/**
 * Follows the ledger of a source to its end. Resolves with the first thing that is wrong; rejects with what kept it from being
 * read, or `interrupted`.
 */
export async function verifyLedger(source: LedgerSource, options: VerifyOptions): Promise<Verdict> {
  const { crypto, signatures, observe, progress, interrupt$ } = options
  const audit = new LedgerAudit({
    hash: ledgerHash,
    random: numbers => void randomFillSync(numbers),
    ...(signatures ? { verify: crypto.verify } : {}),
    ...(source.hubKey === undefined ? {} : { hubKey: source.hubKey }),
  })
  const take = (text: string, problem: string | undefined): string | undefined => {
    const entry = parseLedgerLine(text)
    if (entry !== undefined) observe?.(entry)
    if (problem !== undefined) return problem
    const rule = entry === undefined ? 'this line is not a block of a ledger' : audit.step(entry)
    if (rule !== undefined) return `ledger block ${audit.seq + 1}: ${rule}`
    return source.head?.seq === audit.seq ? headProblem(audit, source, crypto) : undefined
  }
  const stop = new LighthouseError('ledger-broken', 'the rest is not looked at')
  let problem = headProblem(audit, source, crypto)
  let isInterrupted = false
  const work$ = source.line$.pipe(
    scan((_count, lines) => {
      for (const line of lines) {
        problem = take(line, problem)
        if (problem !== undefined && observe === undefined) throw stop
      }
      progress(audit.seq)
      return audit.seq
    }, 0),
    takeUntil(
      interrupt$.pipe(
        tap(() => {
          isInterrupted = true
        }),
      ),
    ),
  )
  try {
    await lastValueFrom(work$, { defaultValue: 0 })
  } catch (error) {
    if (!isLighthouseError(error, 'ledger-broken')) throw error
    if (error !== stop) problem ??= `ledger block ${audit.seq + 1}: ${error.message}`
  }
  if (isInterrupted) throw new CommandFailure('interrupted', 'it was interrupted before the end')
  if (problem === undefined && source.head !== undefined && audit.seq < source.head.seq) {
    problem = `ledger block ${audit.seq + 1}: it is missing, and the hub signed block ${source.head.seq} as its head`
  }
  if (problem === undefined && source.database !== undefined) problem = await tableProblem(source.database, audit)
  return { audit, problem }
}
