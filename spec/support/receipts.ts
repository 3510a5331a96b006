/** Receipts, settlements and heads for the specs of receipt stores; signatures are not real. */
import type { Settlement, SignedReceipt } from '../../src/protocol/coins/receipt.js'
import type { LedgerHead } from '../../src/protocol/signaling/signal.js'

/** A public key, signature or hash that is told from others by its letter. */
export const key = (letter: string): string => `${letter.repeat(43)}=`
export const signature = (letter: string): string => `${letter.repeat(86)}==`
export const hash = (letter: string): string => letter.repeat(128)

export const self = key('S')
export const hub = key('H')
export const bob = key('B')
export const carol = key('C')
export const noon = Date.UTC(2030, 5, 15, 12)

export const sessionOf = (name: string): string => name.padEnd(22, '-')

/** What `consumer` signed for `seeder`; one of them is the peer itself. */
export function receipt(
  name: string,
  bytes: number,
  parties: { seeder?: string; consumer?: string } = {},
): SignedReceipt {
  const { seeder = self, consumer = self } = parties
  return { hub_key: hub, session: sessionOf(name), seeder, consumer, bytes, signature: signature(name[0]!) }
}

export function settlement(name: string, bytes: number, seq = 1): Settlement {
  return { session: sessionOf(name), bytes, coins: '61.947635', seq, hash: hash('a'), signature: signature('h') }
}

export const head = (seq: number, letter = 'a'): LedgerHead => ({
  seq,
  hash: hash(letter),
  signature: signature(letter),
})
