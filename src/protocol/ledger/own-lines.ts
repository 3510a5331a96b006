import { type Evidence, type EvidenceKind, receiptStatement, type Statement, statementOf } from './evidence.js'
import { formatCoins } from '../coins/amount.js'
import type { LedgerEntry } from './ledger-line.js'
import type { Settlement, SignedReceipt } from '../coins/receipt.js'
import { settledBlock } from './signed-block.js'
import { isSession } from '../signaling/signal.js'
import { receiptText } from '../signaling/signed-texts.js'

/** A settlement with the receipt that is kept for it, if one is. */
type HeldSettlement = Settlement & { readonly receipt: SignedReceipt | undefined }

/** Whose lines are audited, and against what. */
export interface OwnLinesOptions {
  readonly pubKey: string
  readonly hubKey: string
  /** Signed by this hub; that was checked. */
  readonly settlements: Iterable<HeldSettlement>
  /** The highest receipt that is held of a session. */
  readonly receipt: (session: string) => SignedReceipt | undefined
  readonly verify: (pubKey: string, text: string, signature: string) => boolean
}

function statementsOf(hubKey: string, held: HeldSettlement): readonly Statement[] {
  const receipt = held.receipt === undefined ? [] : [receiptStatement(held.receipt)]
  return [statementOf(settledBlock(hubKey, held)), ...receipt]
}

/** What a settlement promised about its block, in words. */
function promise({ seq, bytes, session }: Settlement): string {
  return `the hub signed that block ${seq} settles session ${session} up to ${formatCoins(bytes)} coins`
}

/** Whether the line is the one that the settlement was signed for. */
function keepsPromise(entry: LedgerEntry, { seq, hash, session, bytes }: Settlement): boolean {
  const { receipt } = entry
  return entry.seq === seq && entry.hash === hash && receipt?.session === session && receipt.bytes === bytes
}

/** Evidence of a line that is not the one that a settlement was signed for. */
function brokenPromise(hubKey: string, entry: LedgerEntry, held: HeldSettlement): Evidence {
  const isSame = entry.receipt?.session === held.session
  const kind: EvidenceKind = isSame ? 'changed' : 'missing'
  const instead = isSame ? 'its ledger has that block with other content' : 'its ledger has another block in that place'
  return { kind, message: `${promise(held)}, and ${instead}`, statements: statementsOf(hubKey, held), lines: [entry] }
}

/** A transfer from or to a key whose receipt the payer did not sign, as evidence; undefined when it did. */
function forgedTransfer(entry: LedgerEntry, pubKey: string, verify: OwnLinesOptions['verify']): Evidence | undefined {
  const { seq, from, to, bytes, receipt } = entry
  if (entry.kind !== 'transfer' || (from !== pubKey && to !== pubKey)) return undefined
  if (receipt !== null && from !== null && verify(from, receiptText(receipt), receipt.signature)) return undefined
  const whose =
    from === pubKey
      ? 'from your wallet with a receipt that you did not sign'
      : 'to your wallet with a receipt that its payer did not sign'
  const message = `block ${seq} of the hub's ledger moves ${formatCoins(bytes)} coins ${whose}`
  return { kind: 'forged', message, statements: [], lines: [entry] }
}

/** Compares every line of a ledger that is about one key with what that key's owner holds. One entry for each settlement. */
export class OwnLines {
  readonly #due = new Map<number, HeldSettlement[]>()
  readonly #moved = new Map<string, number>()
  #hasGrant = false
  /** The number of the last line. */
  seq = 0
  /** Lines about this key. */
  count = 0
  /** Lines that are as a settlement promised. */
  kept = 0
  /** Lines that this key pays with a signature that is right and higher than the receipt that is held, if one is. */
  unknown = 0

  constructor(private readonly options: OwnLinesOptions) {
    for (const held of options.settlements) this.#due.set(held.seq, [...(this.#due.get(held.seq) ?? []), held])
  }

  /** Takes the next line, whether or not the chain is right. Returns what is wrong with it. */
  step(entry: LedgerEntry): readonly Evidence[] {
    const { pubKey, hubKey, verify } = this.options
    this.seq = entry.seq
    if (entry.from === pubKey || entry.to === pubKey) this.count += 1
    const held = this.#due.get(entry.seq) ?? []
    this.#due.delete(entry.seq)
    const broken = held.filter(each => !keepsPromise(entry, each)).map(each => brokenPromise(hubKey, entry, each))
    this.kept += held.length - broken.length
    const own = forgedTransfer(entry, pubKey, verify) ?? this.#uncovered(entry)
    return own === undefined ? broken : [own, ...broken]
  }

  /**
   * What the hub signed for and did not show. With `isCopy` a ledger may end where it was copied: then only what is missing
   * before its end.
   */
  *end(isCopy = false): Iterable<Evidence> {
    const { hubKey } = this.options
    for (const held of this.#due.values()) {
      for (const each of held) {
        if (isCopy && each.seq > this.seq) continue
        const message = `${promise(each)}, and its ledger does not have that block`
        yield { kind: 'missing', message, statements: statementsOf(hubKey, each), lines: [] }
      }
    }
  }

  /** Settlements of blocks behind the last one. */
  get beyond(): number {
    return [...this.#due].reduce((sum, [seq, held]) => sum + (seq > this.seq ? held.length : 0), 0)
  }

  /** Coins that move though the payer's signatures, all of which may be right, do not cover them; or a second grant. */
  #uncovered(entry: LedgerEntry): Evidence | undefined {
    const { pubKey, receipt: receiptOf } = this.options
    const { seq, kind, from, to, bytes, receipt } = entry
    const found = (evidence: Pick<Evidence, 'kind' | 'message' | 'statements'>): Evidence => ({
      ...evidence,
      lines: [entry],
    })
    if (kind === 'grant' && to === pubKey) {
      const message = `block ${seq} of the hub's ledger grants coins to your key a second time`
      if (this.#hasGrant) return found({ kind: 'credit', message, statements: [] })
      this.#hasGrant = true
    }
    if (kind !== 'transfer' || receipt === null || (from !== pubKey && to !== pubKey)) return undefined
    if (!isSession(receipt.session)) return undefined
    const moved = (this.#moved.get(receipt.session) ?? 0) + bytes
    this.#moved.set(receipt.session, moved)
    const held = receiptOf(receipt.session)
    if (from === pubKey && receipt.bytes > (held?.bytes ?? 0)) this.unknown += 1
    const highest = held !== undefined && held.bytes > receipt.bytes ? held : receipt
    if (moved <= highest.bytes) return undefined
    const message = `up to block ${seq} the hub's ledger moves ${formatCoins(moved)} coins in session ${receipt.session}, and the highest receipt is for ${formatCoins(highest.bytes)}`
    return found({ kind: from === pubKey ? 'forged' : 'credit', message, statements: [receiptStatement(highest)] })
  }
}
