import { hash } from 'node:crypto'
import { Encoder } from '@msgpack/msgpack'
import { type Block, hashedFields } from '../../protocol/settlement/ledger.js'

/** Reused, buffer and all: each result is hashed at once. */
const encoder = new Encoder()

/** Lowercase hex BLAKE2b-512 over the msgpack map of a block, members in the order of `hashedFields`, integers as integers. */
export function blockHash(block: Block): string {
  return hash('blake2b512', encoder.encodeSharedRef(hashedFields(block)), 'hex')
}
