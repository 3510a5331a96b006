import * as crypto from 'node:crypto'
import type { LedgerEntry } from '../protocol/ledger-line.js'
import { blockBytes } from '../protocol/ledger-msgpack.js'

/** More than the largest block, whose texts have at most 255 bytes each: twelve of them, and names and numbers. */
const scratchBytes = 4_096

/** Reused: a hash is taken at once, and an allocation for each would cost as much as the hash. */
const scratch = Buffer.allocUnsafe(scratchBytes)

/** Views of its beginning, by length: blocks have some dozens of lengths, and making a view costs half as much as the hash. */
const views: Buffer[] = []

/** Later lines of Node have a hash in one call, which spares an object for each block. */
const hashOnce: ((data: Uint8Array) => string) | undefined =
  'hash' in crypto ? data => crypto.hash('blake2b512', data, 'hex') : undefined

/** All of it: what does not fit is no block, and must not get the hash of its beginning. */
function dataOf(text: string): Buffer {
  if (text.length > scratchBytes) return Buffer.from(text, 'latin1')
  const length = scratch.write(text, 0, 'latin1')
  return (views[length] ??= scratch.subarray(0, length))
}

/** Lowercase hex BLAKE2b-512 of a block's MessagePack. For entries that `blockBytes` is for. */
export function ledgerHash(entry: LedgerEntry): string {
  const data = dataOf(blockBytes(entry))
  return hashOnce === undefined ? crypto.createHash('blake2b512').update(data).digest('hex') : hashOnce(data)
}
