import { lastValueFrom, type Observable, scan } from 'rxjs'
import { blockHash } from '../../hub/adapters/store/block-hash.js'
import type { CryptoPort } from '../../ports.js'
import { LighthouseError, isLighthouseError } from '../../protocol/errors.js'
import { LedgerAudit } from '../../protocol/ledger/ledger-audit.js'
import { type LedgerEntry, parseLedgerLine } from '../../protocol/ledger/ledger-line.js'
import { headText } from '../../protocol/signaling/signed-texts.js'
import { failOnInterrupt } from '../interrupted.js'
import type { LedgerSource } from './source.js'

/** How a ledger is verified. */
export interface VerifyOptions {
  readonly crypto: CryptoPort
  /** Whether the consumers' signatures are checked, which is where the time goes. */
  readonly signatures: boolean
  /** Sees every line that is a block, also behind one that is wrong. Without it the first wrong one ends the work. */
  readonly observe?: (entry: LedgerEntry) => void
  /** Checks a valid block further; returns what is wrong with it. */
  readonly rule?: (entry: LedgerEntry) => string | undefined
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
    return 'the head that the hub shows is not signed with its key'
  }
  if (seq === head.seq && hash !== head.hash)
    return `ledger block ${seq}: its hash is not the one that the hub signed as its head`
  return undefined
}

/** Damage that prevents the integrity check is a finding too. */
async function damageOf({ damage }: LedgerSource): Promise<string | undefined> {
  try {
    return await damage()
  } catch (error) {
    if (!isLighthouseError(error, 'ledger-broken')) throw error
    return error.message
  }
}

/**
 * Follows the ledger of a source to its end. Resolves with the first thing that is wrong; rejects with what kept it from being
 * read, or `interrupted`.
 */
export async function verifyLedger(source: LedgerSource, options: VerifyOptions): Promise<Verdict> {
  const { crypto, signatures, observe, rule, progress, interrupt$ } = options
  const audit = new LedgerAudit({
    hash: blockHash,
    ...(signatures ? { verify: crypto.verify } : {}),
    ...(source.hubKey === undefined ? {} : { hubKey: source.hubKey }),
  })
  const take = (text: string, problem: string | undefined): string | undefined => {
    const entry = parseLedgerLine(text)
    if (entry !== undefined) observe?.(entry)
    if (problem !== undefined) return problem
    if (entry === undefined) return `ledger block ${audit.seq + 1}: this line is not a block of a ledger`
    const broken = audit.step(entry)
    if (broken !== undefined) return `ledger block ${audit.seq + 1}: ${broken}`
    return (source.head?.seq === audit.seq ? headProblem(audit, source, crypto) : undefined) ?? rule?.(entry)
  }
  const stop = new LighthouseError('ledger-broken', 'the rest is not checked')
  let problem = headProblem(audit, source, crypto)
  if (problem !== undefined && observe === undefined) return { audit, problem }
  const work$ = source.line$.pipe(
    scan((_count, lines) => {
      for (const line of lines) {
        problem = take(line, problem)
        if (problem !== undefined && observe === undefined) throw stop
      }
      progress(audit.seq)
      return audit.seq
    }, 0),
    failOnInterrupt({ interrupt$ }),
  )
  try {
    await lastValueFrom(work$, { defaultValue: 0 })
  } catch (error) {
    if (!isLighthouseError(error, 'ledger-broken')) throw error
    if (error !== stop) problem ??= `ledger block ${audit.seq + 1}: ${error.message}`
  }
  if (problem === undefined && source.head !== undefined && audit.seq < source.head.seq) {
    problem = `ledger block ${audit.seq + 1}: it is missing, and the hub signed block ${source.head.seq} as its head`
  }
  return { audit, problem: problem ?? (await damageOf(source)) }
}
