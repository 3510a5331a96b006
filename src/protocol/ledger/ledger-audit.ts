import { genesisHash, type LedgerEntry } from './ledger-line.js'
import { isBase64Of, isPublicKey, isSession } from '../signaling/signal.js'
import { receiptText } from '../signaling/signed-texts.js'

/** What a transfer must keep to by itself, whatever the chain around it: a broken rule in words, or undefined. */
function transferProblem(
  { from, to, bytes, receipt }: LedgerEntry,
  verify: ((pubKey: string, text: string, signature: string) => boolean) | undefined,
): string | undefined {
  if (from === null || receipt === null) return 'it moves coins without a payer or without a receipt'
  if (from === to) return 'it moves coins from a key to the same key'
  if (receipt.consumer !== from || receipt.seeder !== to) return 'its receipt is of other parties'
  if (!isSession(receipt.session)) return 'its receipt names no session'
  if (bytes < 1 || bytes > receipt.bytes) return 'it moves another amount than its receipt covers'
  if (!isBase64Of(receipt.signature, 64)) return 'its receipt has no signature'
  if (verify !== undefined && !verify(from, receiptText(receipt), receipt.signature)) {
    return 'its receipt is not signed by the key that pays'
  }
  return undefined
}

/** What an audit of a whole ledger needs. */
export interface LedgerAuditOptions {
  /** Of the block, as lowercase hex. */
  readonly hash: (entry: LedgerEntry) => string
  /** Without it signatures are left out. */
  readonly verify?: (pubKey: string, text: string, signature: string) => boolean
  /** The hub whose ledger it is. Without it the first receipt says. */
  readonly hubKey?: string
}

/**
 * Follows a ledger from its first block. Holds a key and a number for each wallet and for each session that was settled, and
 * nothing else.
 */
export class LedgerAudit {
  /** Bytes by public key. */
  readonly wallets = new Map<string, { bytes: number }>()
  /** What is settled of each. Never forgotten: a session may go on at any time. */
  readonly sessions = new Map<string, number>()
  /** The newest block that was right. */
  seq = 0
  hash = genesisHash
  /** When it was made, in milliseconds since 1970. */
  timeMs = 0
  /** Sum of all grants, which the wallets add up to after every block, and the largest of them. */
  grantedBytes = 0
  largestGrantBytes = 0
  /** Sum of all transfers. */
  movedBytes = 0
  hubKey: string | undefined

  constructor(private readonly options: LedgerAuditOptions) {
    this.hubKey = options.hubKey
  }

  /** Takes the next block. Returns what is wrong with it, in words; nothing has changed then. */
  step(entry: LedgerEntry): string | undefined {
    if (entry.seq !== this.seq + 1) return `it must have number ${this.seq + 1} and says ${entry.seq}`
    if (entry.prev_hash !== this.hash) return 'it does not name the hash of the block before'
    const problem = entry.kind === 'grant' ? this.#grantProblem(entry) : this.#transferProblem(entry)
    if (problem !== undefined) return problem
    if (this.options.hash(entry) !== entry.hash) return 'its hash is not that of its content'
    if (entry.kind === 'grant') this.#grant(entry)
    else this.#transfer(entry)
    this.seq = entry.seq
    this.hash = entry.hash
    this.timeMs = entry.time
    return undefined
  }

  #grantProblem({ from, to, bytes, receipt }: LedgerEntry): string | undefined {
    if (from !== null || receipt !== null) return 'it is not a grant, which has neither a payer nor a receipt'
    if (!isPublicKey(to)) return 'it grants coins to what is not a public key'
    if (this.wallets.has(to)) return 'it grants coins to a key that has had its grant'
    if (to === this.hubKey) return 'it grants coins to the hub itself'
    return Number.isSafeInteger(this.grantedBytes + bytes) ? undefined : 'it grants more than can be counted'
  }

  #transferProblem(entry: LedgerEntry): string | undefined {
    const { from, to, bytes, receipt } = entry
    // Keys of wallets were checked when they were granted to: only those can pay and be paid.
    const payer = from === null ? undefined : this.wallets.get(from)
    if (payer === undefined || receipt === null) return 'the key that pays was never registered, or there is no receipt'
    if (!this.wallets.has(to)) return 'the key that is paid was never registered'
    if (this.hubKey === undefined ? !isPublicKey(receipt.hub_key) : receipt.hub_key !== this.hubKey) {
      return 'its receipt is for another hub'
    }
    // Of a file the first receipt says whose it is.
    if (this.wallets.has(receipt.hub_key)) return 'the hub of its receipt was granted coins before'
    const problem = transferProblem(entry, this.options.verify)
    if (problem !== undefined) return problem
    if (bytes > payer.bytes) return 'it takes more than is in the wallet, which would be below zero'
    return receipt.bytes - (this.sessions.get(receipt.session) ?? 0) === bytes
      ? undefined
      : 'it does not move what its receipt is ahead of what was settled of the session before'
  }

  #grant({ to, bytes }: LedgerEntry): void {
    this.wallets.set(to, { bytes })
    this.grantedBytes += bytes
    this.largestGrantBytes = Math.max(this.largestGrantBytes, bytes)
  }

  #transfer({ from, to, bytes, receipt }: LedgerEntry): void {
    this.hubKey ??= receipt!.hub_key
    this.wallets.get(from!)!.bytes -= bytes
    this.wallets.get(to)!.bytes += bytes
    this.movedBytes += bytes
    this.sessions.set(receipt!.session, receipt!.bytes)
  }
}
