import type { LedgerEntry } from './ledger-line.js'

/**
 * The MessagePack of one kind of map, that of a block, an order of magnitude sooner than a general encoder makes it. The
 * result is a string with one character for each byte, since joining short strings is what engines do best.
 */

const char = String.fromCharCode

/** The four bytes of an unsigned number, highest first. */
function word(value: number): string {
  return char(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255)
}

/** A whole number from 0 in the shortest of MessagePack's unsigned forms. */
function integer(value: number): string {
  if (value < 0x80) return char(value)
  if (value < 0x100) return char(0xcc, value)
  if (value < 0x10000) return char(0xcd, value >>> 8, value & 255)
  if (value < 0x100000000) return `\xce${word(value)}`
  return `\xcf${word(Math.floor(value / 0x100000000))}${word(value % 0x100000000)}`
}

/** What stands before a text, by its length. */
const textHeads = Array.from({ length: 256 }, (_, length) => (length < 32 ? char(0xa0 | length) : char(0xd9, length)))

/** A text of ASCII, at most 255 characters of it: nothing in a valid block is longer. */
function text(value: string): string {
  return textHeads[value.length] + value
}

function receiptBytes(receipt: LedgerEntry['receipt']): string {
  if (receipt === null) return '\xc0'
  const { hub_key, session, seeder, consumer, bytes, signature } = receipt
  return `\x86\xa7hub_key${text(hub_key)}\xa7session${text(session)}\xa6seeder${text(seeder)}\xa8consumer${text(consumer)}\xa5bytes${integer(bytes)}\xa9signature${text(signature)}`
}

/**
 * What a block's hash is over: the MessagePack of its eight members in the protocol's order, a character for each byte.
 * For entries whose texts are ASCII of at most 255 characters and whose numbers are whole and not negative.
 */
export function blockBytes(entry: LedgerEntry): string {
  const { seq, prev_hash, time, kind, from, to, bytes, receipt } = entry
  const payer = from === null ? '\xc0' : text(from)
  return `\x88\xa3seq${integer(seq)}\xa9prev_hash${text(prev_hash)}\xa4time${integer(time)}\xa4kind${text(kind)}\xa4from${payer}\xa2to${text(to)}\xa5bytes${integer(bytes)}\xa7receipt${receiptBytes(receipt)}`
}
