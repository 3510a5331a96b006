import { genesisHash, type LedgerEntry } from '../../../protocol/ledger/ledger-line.js'
import type { SignedReceipt } from '../../../protocol/coins/receipt.js'

/** A block as `GET /v1/ledger` shows it: its members and their hash. Members are named as they travel. */
export type LedgerLine = LedgerEntry

/** One line of the ledger before it is hashed. */
export type Block = Omit<LedgerLine, 'hash'>

/** Where a chain stands: the last block's number and hash. */
export interface ChainState {
  readonly seq: number
  readonly hash: string
}

/** Lowercase hex BLAKE2b-512 of the msgpack of `hashedFields(block)`. */
export type BlockHash = (block: Block) => string

/** The state before any block. */
export const emptyChain: ChainState = { seq: 0, hash: genesisHash }

/** The members that are hashed, in the order in which msgpack writes them. Another order is another hash. */
export function hashedFields(block: Block): Block {
  const { seq, prev_hash, time, kind, from, to, bytes, receipt } = block
  return { seq, prev_hash, time, kind, from, to, bytes, receipt }
}

/** The block that follows `chain` and grants `bytes` to a key. */
export function grantBlock(chain: ChainState, grant: { to: string; bytes: number; time: number }): Block {
  const { to, bytes, time } = grant
  return { seq: chain.seq + 1, prev_hash: chain.hash, time, kind: 'grant', from: null, to, bytes, receipt: null }
}

/** The members of a receipt in the order in which a block carries them, and nothing else. Another order is another hash. */
export function receiptMembers(receipt: SignedReceipt): SignedReceipt {
  const { hub_key, session, seeder, consumer, bytes, signature } = receipt
  return { hub_key, session, seeder, consumer, bytes, signature }
}

/** The block that follows `chain` and moves `bytes` from the receipt's consumer to its seeder. */
export function transferBlock(
  chain: ChainState,
  transfer: { readonly bytes: number; readonly time: number; readonly receipt: SignedReceipt },
): Block {
  const { bytes, time, receipt } = transfer
  return {
    seq: chain.seq + 1,
    prev_hash: chain.hash,
    time,
    kind: 'transfer',
    from: receipt.consumer,
    to: receipt.seeder,
    bytes,
    receipt: receiptMembers(receipt),
  }
}

function brokenRule(chain: ChainState, line: LedgerLine, hash: BlockHash): string | undefined {
  if (line.seq !== chain.seq + 1) return `it must have number ${chain.seq + 1}`
  if (line.prev_hash !== chain.hash) return 'it does not name the hash of the block before'
  if (!Number.isSafeInteger(line.bytes) || line.bytes < 0) return 'its bytes are not a whole number from 0'
  if (!Number.isSafeInteger(line.time)) return 'its time is not a whole number of milliseconds'
  const isGrant = line.from === null && line.receipt === null
  const isTransfer = line.from !== null && line.receipt !== null && line.from !== line.to
  if (!(line.kind === 'grant' ? isGrant : line.kind === 'transfer' && isTransfer)) {
    return `it is not a ${line.kind === 'grant' ? 'grant' : 'transfer'}`
  }
  return line.hash === hash(line) ? undefined : 'its hash is not that of its content'
}

/** One step of a verification: the state after `line`, or which rule the line breaks. */
export function verifyNext(
  chain: ChainState,
  line: LedgerLine,
  hash: BlockHash,
): { readonly chain: ChainState } | { readonly problem: string } {
  const rule = brokenRule(chain, line, hash)
  return rule === undefined
    ? { chain: { seq: line.seq, hash: line.hash } }
    : { problem: `ledger block ${line.seq}: ${rule}` }
}
