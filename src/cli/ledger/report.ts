import { fingerprintOf } from '../../adapters/crypto/crypto.node.js'
import { formatCoins } from '../../protocol/coins/amount.js'
import type { Context } from '../commands/context.js'
import { printable } from '../output.js'
import type { LedgerSource } from './source.js'
import type { Verdict } from './verify.js'

/** `1,234 blocks`. */
export function count(number: number, what: string): string {
  return `${number.toLocaleString('en')} ${what}${number === 1 ? '' : 's'}`
}

/** What nothing was wrong with, and still has to be known. */
export function remarksOn({ kind, head }: LedgerSource, { audit }: Verdict): readonly string[] {
  const remarks: string[] = []
  if (audit.seq === 0) remarks.push('It has no blocks.')
  if (kind === 'hub' && head === undefined) {
    remarks.push('The hub signed no head, so a missing end shows only in comparison with heads that somebody keeps.')
  }
  return remarks
}

/** Prints the contents of a valid ledger, and how far it goes. */
export function reportVerdict(
  { output }: Context,
  { name, hubKey }: LedgerSource,
  { audit }: Verdict,
  signatures: boolean,
  remarks: readonly string[],
): void {
  const { seq, hash, timeMs, wallets, sessions, grantedBytes, largestGrantBytes, movedBytes } = audit
  const key = audit.hubKey ?? hubKey ?? null
  const signed = signatures ? 'checked' : 'skipped'
  const text = [
    `The ledger of ${printable(name)} is right: ${count(seq, 'block')}, every signature ${signed}.`,
    `${count(wallets.size, 'wallet')} with ${formatCoins(grantedBytes)} coins, as many as were granted, at most ${formatCoins(largestGrantBytes)} to one; ${formatCoins(movedBytes)} moved in ${count(sessions.size, 'session')}.`,
    `Hub key: ${key === null ? 'not named in it' : fingerprintOf(key)}`,
    seq === 0 ? 'Newest block: none' : `Newest block: ${seq} of ${new Date(timeMs).toISOString()}, ${hash}`,
    ...remarks,
  ]
  const sums = {
    wallets: wallets.size,
    sessions: sessions.size,
    granted: formatCoins(grantedBytes),
    largestGrant: formatCoins(largestGrantBytes),
    moved: formatCoins(movedBytes),
  }
  const verified = { source: name, hubKey: key, blocks: seq, hash, signatures, ...sums, remarks }
  output.result({ verified }, text.join('\n'))
}
