import type { LedgerEntry } from './ledger-line.js'
import { isBase64Of, isBlockHash, isPublicKey, isSession } from './signal.js'

/**
 * Whether keys, hashes, session and signature of a block are texts of their kind, so that it can be hashed and remembered:
 * plain ASCII of known lengths. Whether they are the right ones is for whoever follows the chain.
 */
export function isWellFormed({ prev_hash, from, to, receipt, hash }: LedgerEntry): boolean {
  if (!isBlockHash(prev_hash) || !isBlockHash(hash)) return false
  if (!isPublicKey(to) || !(from === null || isPublicKey(from))) return false
  if (receipt === null) return true
  const { hub_key, session, seeder, consumer, signature } = receipt
  return [hub_key, seeder, consumer].every(isPublicKey) && isSession(session) && isBase64Of(signature, 64)
}
