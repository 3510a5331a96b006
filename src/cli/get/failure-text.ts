import { formatBytes } from '../../protocol/byte-size.js'
import { formatCoins } from '../../protocol/coins/amount.js'
import type { FailureCode } from '../exit-codes.js'
import type { Failure } from '../failure.js'
import type { FileAddress } from './address.js'
import type { Destination } from './destination.js'

/** What is there, and how to go on; nothing where nothing is kept that can be gone on from. */
function keptText({ keptIn, length, size }: Destination): string {
  if (keptIn === undefined) return ''
  const all = size === undefined ? '' : ` of ${formatBytes(size)}`
  return ` ${formatBytes(length)}${all} is kept in "${keptIn}". Run the same command to resume.`
}

/** What the missing bytes cost, as far as one knows. */
function priceText({ length, size }: Destination): string {
  if (size === undefined) return ' One coin buys one megabyte.'
  return ` The remaining ${formatBytes(size - length)} costs ${formatCoins(size - length)} coins.`
}

/** Whoever copied a name from a browser's address bar meant what its codes stand for. */
function asUrlText(file: string): string {
  if (!/%[0-9a-f]{2}/i.test(file) || /^lighthouse:/i.test(file)) return ''
  return ` If its name is percent-encoded, use "lighthouse://${file}".`
}

/** Failures whose message does not name the file. */
const aboutFile = new Set<FailureCode>([
  'not-a-file',
  'no-such-file',
  'unexpected-answer',
  'not-as-announced',
  'file-changed',
])

/** Why a file was not fetched: with the file as it was asked for, what is kept of it, and what the rest costs. */
export function describeGetFailure(
  { code, message, next }: Failure,
  file: string,
  { text }: FileAddress,
  into: Destination,
): Failure {
  const isCoins = code === 'no-coins'
  const about = isCoins ? 'out of coins: ' : aboutFile.has(code) ? `${text}: ` : ''
  const sentence = /[.!?]$/.test(message) ? message : `${message}.`
  const more = isCoins ? priceText(into) : code === 'no-such-file' ? asUrlText(file) : ''
  return { code, message: `${about}${sentence}${more}${keptText(into)}`, next }
}
