import { createHash } from 'node:crypto'
import { encode } from '@msgpack/msgpack'
import { type Block, hashedFields } from '../protocol/ledger.js'

/** Lowercase hex BLAKE2b-512 over the msgpack map of a block, members in the order of `hashedFields`, integers as integers. */
export function blockHash(block: Block): string {
  return createHash('blake2b512')
    .update(encode(hashedFields(block)))
    .digest('hex')
}
