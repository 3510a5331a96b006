import { defer, map, type Observable, of, tap } from 'rxjs'
import { fingerprintOf } from '../../adapters/crypto/crypto.node.js'
import { writeEvidence } from '../../adapters/store/evidence-file.node.js'
import { readMetadata } from '../../adapters/store/metadata-file.node.js'
import { keptReceipts$, receiptsPath } from '../../adapters/store/receipts/receipt-store.node.js'
import { openTrustFile } from '../../adapters/store/trust-file.node.js'
import type { ReceiptStore } from '../../ports/receipts.js'
import { LighthouseError } from '../../protocol/errors.js'
import { evidenceKinds } from '../../protocol/ledger/evidence.js'
import type { Identity } from '../../protocol/peer/metadata.js'
import { OwnHeads } from '../../protocol/ledger/own-heads.js'
import { OwnLines } from '../../protocol/ledger/own-lines.js'
import type { SignedReceipt } from '../../protocol/coins/receipt.js'
import { settledText } from '../../protocol/signaling/signed-texts.js'
import type { Context } from '../commands/context.js'
import { CommandFailure } from '../failure.js'
import { printable } from '../output.js'
import type { Findings } from './findings.js'
import type { LedgerSource } from './source.js'

type Held = Pick<ReceiptStore, 'settlements' | 'session' | 'headsAt' | 'newestHead'>

/** Where no store is: nothing is held. */
const nothing: Held = {
  settlements: () => [],
  session: () => undefined,
  headsAt: () => [],
  newestHead: () => undefined,
}

/** What `--mine` compares besides heads. */
export interface OwnMine {
  readonly lines: OwnLines
  readonly settlements: number
  /** Settlements that this hub did not sign. */
  readonly others: number
}

/** The owner of a home, and what it holds of one hub. */
export interface Own {
  /** The hub that it should be. Undefined where nobody knows. */
  readonly hubKey: string | undefined
  readonly heads: OwnHeads
  readonly mine: OwnMine | undefined
}

/** How much of a home is compared. */
export interface OwnScope {
  /** The ledger is to be that of the home's hub, else it may be anybody's. */
  readonly isHome: boolean
  /** Settlements and receipts are compared too. */
  readonly isMine: boolean
}

function own({ home, io }: Context, identity: Identity, source: LedgerSource, scope: OwnScope, store: Held): Own {
  const { pubKey, host } = identity
  const { verify } = io.parts.crypto
  const held = scope.isMine ? [...store.settlements()] : []
  const newestReceipt = held.findLast(({ receipt }) => receipt !== undefined)?.receipt
  const known = openTrustFile(home).known('hub', host) ?? newestReceipt?.hub_key
  const hubKey = scope.isHome ? (known ?? source.hubKey) : (source.hubKey ?? known)
  const key = hubKey ?? ''
  // What another hub signed is irrelevant to this ledger.
  const settlements = held.filter(each => verify(key, settledText(each), each.signature))
  const receipt = (session: string): SignedReceipt | undefined => store.session(session)?.receipt
  const lines = new OwnLines({ pubKey, hubKey: key, settlements, receipt, verify })
  const others = held.length - settlements.length
  return {
    hubKey,
    heads: new OwnHeads({
      hubKey: key,
      newest: store.newestHead(key),
      headsAt: (seq: number) => store.headsAt(key, seq),
      verify,
    }),
    mine: scope.isMine ? { lines, settlements: settlements.length, others } : undefined,
  }
}

/** The message for a ledger of another hub. */
export function otherHub(name: string, hubKey: string, known: string, { mine }: Own): string {
  const held = mine === undefined ? '' : `, not one of ${mine.settlements + mine.others} settlements that you hold`
  return `the ledger of ${name} belongs to the hub with the key ${fingerprintOf(hubKey)}, but this home knows its hub by the key ${fingerprintOf(known)}. Nothing was compared${held}`
}

/** Throws when the source is another hub's than the one that this home knows: `key-changed` of a hub, else `usage`. */
function checkHub({ kind, name, hubKey }: LedgerSource, known: Own): void {
  if (hubKey === undefined || known.hubKey === undefined || hubKey === known.hubKey) return
  const message = otherHub(name, hubKey, known.hubKey, known)
  if (kind !== 'hub') throw new CommandFailure('usage', message)
  throw new LighthouseError('key-changed', message, { expected: known.hubKey, actual: hubKey })
}

/**
 * What the identity of the home holds against a ledger; undefined where nobody is registered. Of the home's hub by the key
 * that is remembered for it or, where none is, that the newest receipt names. Never completes: the store stays
 * open, to be read, until it is unsubscribed from. Errors with `store-failed` or `invalid-metadata`, and where the ledger is to be
 * that of the home's hub and is another's, with `key-changed` or `usage`.
 */
export function own$(context: Context, source: LedgerSource, scope: OwnScope): Observable<Own | undefined> {
  return defer(() => {
    const identity = readMetadata(context.home)
    if (identity === undefined) return of(undefined)
    return keptReceipts$(receiptsPath(context.home), identity.pubKey).pipe(
      map(kept => own(context, identity, source, scope, kept ?? nothing)),
      tap(known => scope.isHome && checkHub(source, known)),
    )
  })
}

/** Prints every finding with its signed texts, and writes one file for each kind. Returns the paths. */
export function reportFindings(context: Context, hubKey: string, { first: shown }: Findings): readonly string[] {
  const { io, output, home } = context
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
      output.notice(
        `${io.cwd === home ? 'this folder' : home} has a hundred files of evidence of this kind; move them away first`,
      )
    return path === undefined ? [] : [path]
  })
}
