import { setBounded } from './bounded-map.js'
import { formatCoins } from './coins.js'
import { type Evidence, settlementStatement } from './evidence.js'
import { transferProblem } from './ledger-audit.js'
import type { LedgerEntry } from './ledger-line.js'
import { forgedTransfer } from './own-lines.js'
import type { Settlement } from './receipt.js'
import { settledText } from './signed-texts.js'

/** Whose ledger is looked at by whom, and with what. */
export interface LineRulesOptions {
  readonly pubKey: string
  readonly hubKey: string
  readonly verify: (pubKey: string, text: string, signature: string) => boolean
  /** What is known from elsewhere of blocks that charged a session of this key's owner. */
  readonly charges: (session: string) => readonly KnownCharge[]
}

/** A block, the bytes up to which it had charged a session, and the hub's word for that where it is held. */
export interface KnownCharge {
  readonly seq: number
  readonly bytes: number
  readonly settlement?: Settlement
}

/** Sessions and granted keys that are remembered: those of the last hours of a busy hub, in about 2 MB. */
const maxRemembered = 10_000

/** A copy that does not keep the piece alive of which it is a slice. */
const copy = (text: string): string => JSON.parse(JSON.stringify(text)) as string

/**
 * What can be wrong with a block although the chain around it holds, for somebody who follows a ledger from some block on: coins
 * without a signature, beyond a receipt, or granted twice. Remembers 10,000 sessions and keys; who wants to know of all verifies
 * the ledger from its first block.
 */
export class LineRules {
  readonly #settled = new Map<string, number>()
  readonly #granted = new Map<string, true>()

  constructor(private readonly options: LineRulesOptions) {}

  /** Takes the next block, whose hash was checked. */
  step(entry: LedgerEntry): Evidence | undefined {
    const { pubKey, verify } = this.options
    const credit = (rule: string): Evidence => ({
      kind: 'credit',
      message: `block ${entry.seq} of the hub's ledger gives ${formatCoins(entry.bytes)} coins to ${entry.to} that nothing covers: ${rule}`,
      statements: [],
      lines: [entry],
    })
    if (entry.kind === 'grant') {
      const rule = this.#grantRule(entry)
      return rule === undefined ? undefined : credit(rule)
    }
    const problem = transferProblem(entry, verify)
    if (problem !== undefined) return forgedTransfer(entry, pubKey, verify) ?? credit(problem)
    const rule = this.#increaseRule(entry)
    return this.#chargedTwice(entry) ?? (rule === undefined ? undefined : credit(rule))
  }

  #grantRule({ to }: LedgerEntry): string | undefined {
    const { pubKey, hubKey } = this.options
    if (to === hubKey) return 'it is a grant to the hub itself'
    if (to === pubKey || this.#granted.has(to)) return 'it is a grant to a key that has had its grant'
    setBounded(this.#granted, copy(to), true, maxRemembered)
    return undefined
  }

  #increaseRule({ bytes, receipt }: LedgerEntry): string | undefined {
    const { session, bytes: receipted } = receipt!
    if (receipt!.hub_key !== this.options.hubKey) return 'its receipt is for another hub'
    const settled = this.#settled.get(session)
    // Where nothing is remembered, what was settled before cannot be told.
    if (settled !== undefined && receipted - settled !== bytes) {
      return 'it does not move what its receipt is ahead of what was settled of the session before'
    }
    setBounded(this.#settled, copy(session), receipted, maxRemembered)
    return undefined
  }

  /** What all blocks move of one session is never more than its highest receipt: each goes on where the one before ended. */
  #chargedTwice(entry: LedgerEntry): Evidence | undefined {
    const { pubKey, hubKey, verify, charges } = this.options
    const { seq, from, to, bytes, receipt } = entry
    if (from !== pubKey && to !== pubKey) return undefined
    for (const known of charges(receipt!.session)) {
      if (known.seq >= seq || receipt!.bytes - bytes >= known.bytes) continue
      const whose = from === pubKey ? 'from your wallet' : 'to your wallet'
      const message = `block ${seq} of the hub's ledger moves ${formatCoins(bytes)} coins ${whose} a second time: block ${known.seq} had charged their session up to ${formatCoins(known.bytes)} coins already`
      const evidence: Evidence = {
        kind: from === pubKey ? 'forged' : 'credit',
        message,
        statements: [],
        lines: [entry],
      }
      const { settlement } = known
      if (settlement === undefined) return evidence
      // What another hub signed says nothing about this one.
      if (!verify(hubKey, settledText(settlement), settlement.signature)) continue
      return { ...evidence, statements: [settlementStatement(hubKey, settlement)] }
    }
    return undefined
  }
}
