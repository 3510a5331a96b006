import { firstValueFrom, of, switchMap } from 'rxjs'
import { writeEvidence } from '../../adapters/evidence-file.node.js'
import { readMetadata } from '../../adapters/metadata-file.node.js'
import { receiptBook$, receiptsPath } from '../../adapters/receipt-book.node.js'
import { receiptSnapshot$ } from '../../adapters/receipt-snapshot.node.js'
import { type Evidence, evidenceKinds } from '../../protocol/evidence.js'
import { type HeldSettlement, OwnLines } from '../../protocol/own-lines.js'
import { settledText } from '../../protocol/signed-texts.js'
import type { Context } from '../commands/context.js'
import { CommandFailure } from '../failure.js'
import { printable } from '../output.js'

/** So many findings are printed and written down one by one; a hub that does more of them is caught already. */
const maxFindings = 1_000

/** Settlements of the home's receipt book with their receipts; none where there is no book. */
async function heldSettlements(home: string, pubKey: string): Promise<readonly HeldSettlement[]> {
  const book$ = receiptSnapshot$(receiptsPath(home)).pipe(
    switchMap(path => (path === undefined ? of(undefined) : receiptBook$(path, pubKey))),
    switchMap(async book => (book === undefined ? [] : [...book.settlements()])),
  )
  return firstValueFrom(book$)
}

/** The owner of a home, and what it holds of one hub. */
export interface Own {
  readonly lines: OwnLines
  readonly hubKey: string
  readonly settlements: number
}

/**
 * What the identity of the home holds against a ledger of `hubKey`, or, where that is not known, of the hub that the newest
 * receipt names. Rejects with `not-registered` or `store-failed`.
 */
export async function readOwn(context: Context, hubKey: string | undefined): Promise<Own> {
  const { home, io } = context
  const identity = readMetadata(home)
  if (identity === undefined) {
    throw new CommandFailure('not-registered', `nobody is registered in "${home}", so no line is yours`)
  }
  const { pubKey } = identity
  const held = await heldSettlements(home, pubKey)
  const key = hubKey ?? held.findLast(({ receipt }) => receipt !== undefined)?.receipt?.hub_key ?? ''
  const { verify } = io.parts.crypto
  // What another hub signed says nothing about this ledger.
  const settlements = held.filter(each => verify(key, settledText(each), each.signature))
  const lines = new OwnLines({ pubKey, hubKey: key, settlements, verify })
  return { lines, hubKey: key, settlements: settlements.length }
}

/** Prints every finding with its signed texts, and writes one file for each kind. Returns the paths. */
export function reportFindings(context: Context, hubKey: string, findings: readonly Evidence[]): readonly string[] {
  const { io, output, home } = context
  const shown = findings.slice(0, maxFindings)
  for (const { kind, message, statements, lines } of shown) {
    output.notice(`${kind}: ${message}`)
    for (const { by, text, signature } of statements) {
      output.notice(`  signed by ${by}: ${printable(text)} ${signature}`)
    }
    for (const line of lines) output.notice(`  ledger: ${JSON.stringify(line)}`)
  }
  return evidenceKinds.flatMap(kind => {
    const same = shown.filter(finding => finding.kind === kind)
    if (same.length === 0) return []
    const message = same.map(finding => finding.message).join('; ')
    const statements = same.flatMap(finding => finding.statements)
    const lines = same.flatMap(finding => finding.lines)
    const path = writeEvidence(home, { kind, hub: hubKey, message, statements, lines }, Date.now())
    if (path === undefined)
      output.notice(`${io.cwd === home ? 'this folder' : home} has a hundred files of evidence: move them away first`)
    return path === undefined ? [] : [path]
  })
}
