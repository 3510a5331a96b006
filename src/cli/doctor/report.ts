/** How checks are shown, and the exit code that they come to. */
import type { Check, CheckStatus } from '../../protocol/doctor/check.js'
import { type ExitCode, exitCodeOf, exitCodes } from '../exit-codes.js'
import { type Output, printable } from '../output.js'

const statusWidth = 'skip'.length
/** As wide as most names; a server's address is wider. */
const nameWidth = 'hub certificate'.length

const styles = { ok: 'green', warn: 'yellow', fail: 'red', skip: 'dim' } as const satisfies Record<CheckStatus, string>

/** A check in a line, and under it what to do. */
export function formatCheck({ status, name, detail, next, ms }: Check, paint: Output['paint']): string {
  const mark = paint(styles[status], status.padEnd(statusWidth))
  const time = ms > 0 ? `  ${paint('dim', `${ms} ms`)}` : ''
  const line = `${mark}  ${printable(name).padEnd(nameWidth)}  ${printable(detail)}${time}`
  return next === undefined ? line : `${line}\n${' '.repeat(statusWidth + nameWidth + 4)}${printable(next)}`
}

/** What it all comes to, in a sentence. */
export function formatSummary(checks: readonly Check[]): string {
  const count = (status: CheckStatus): number => checks.filter(check => check.status === status).length
  const [failed, warned] = [count('fail'), count('warn')]
  const words = (number: number, one: string): string => `${number} ${one}${number === 1 ? '' : 's'}`
  if (failed > 0) return `${words(failed, 'problem')} and ${words(warned, 'warning')}.`
  return warned > 0 ? `It works, with ${words(warned, 'warning')}.` : 'Everything works.'
}

/** The codes that say more than "failure", the one that matters most first. */
const order: readonly ExitCode[] = [
  exitCodes.integrity,
  exitCodes.notRegistered,
  exitCodes.hubUnreachable,
  exitCodes.outOfCoins,
  exitCodes.peerUnreachable,
]

/** 0 unless something failed; else what stands in the way first, or 1 for what is only of this machine or network. */
export function exitCodeFor(checks: readonly Check[]): ExitCode {
  const failed = checks.filter(({ status }) => status === 'fail')
  if (failed.length === 0) return exitCodes.done
  const codes = new Set(failed.map(({ code }) => (code === undefined ? exitCodes.failure : exitCodeOf(code))))
  return order.find(code => codes.has(code)) ?? exitCodes.failure
}
