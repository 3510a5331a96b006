import { closeSync, openSync, writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { firstValueFrom, lastValueFrom, scan, switchMap, takeUntil } from 'rxjs'
import { formatCoins } from '../../protocol/coins.js'
import { toLighthouseError } from '../../protocol/errors.js'
import type { Evidence } from '../../protocol/evidence.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { CommandFailure } from '../failure.js'
import { readOwn, reportFindings } from '../ledger/own.js'
import { blockProgress } from '../ledger/progress.js'
import { type LedgerSource, openSource$ } from '../ledger/source.js'
import { type Verdict, type VerifyOptions, verifyLedger } from '../ledger/verify.js'
import { printable } from '../output.js'
import type { Context } from './context.js'

/** Options of `ledger verify`. `source` is the argument. */
export interface LedgerVerifyValues {
  readonly source?: string
  readonly mine?: boolean
  readonly fast?: boolean
}

/** Options of `ledger export`. */
export interface LedgerExportValues {
  readonly source?: string
  readonly output?: string
}

const interrupted = (): CommandFailure => new CommandFailure('interrupted', 'it was interrupted before the end')

function count(number: number, what: string): string {
  return `${number.toLocaleString('en')} ${what}${number === 1 ? '' : 's'}`
}

function reportVerdict({ output }: Context, name: string, { audit, tables }: Verdict, signatures: boolean): void {
  const { seq, hash, wallets, sessions, grantedBytes, movedBytes } = audit
  const signed = signatures ? 'checked' : 'left out'
  const text = [
    `The ledger of ${printable(name)} is right: ${count(seq, 'block')}, every signature ${signed}.`,
    `${count(wallets.size, 'wallet')} with ${formatCoins(grantedBytes)} coins, as many as were granted; ${formatCoins(movedBytes)} moved in ${count(sessions.size, 'session')}.`,
    ...(seq === 0 ? [] : [`Newest block: ${seq} ${hash}`]),
  ]
  if (tables !== undefined && tables.unsignedNames > 0) {
    const names = count(tables.unsignedNames, 'name')
    text.push(`Not checked: ${names} registered before the hub kept the signatures of registrations.`)
  }
  const sums = {
    wallets: wallets.size,
    sessions: sessions.size,
    granted: formatCoins(grantedBytes),
    moved: formatCoins(movedBytes),
    ...(tables === undefined ? {} : { unsignedNames: tables.unsignedNames }),
  }
  output.result({ verified: { source: name, blocks: seq, hash, signatures, ...sums } }, text.join('\n'))
}

/** What `ledger verify` does with an open source. */
async function verifySource(context: Context, values: LedgerVerifyValues, source: LedgerSource): Promise<ExitCode> {
  const { io, output } = context
  const signatures = values.fast !== true
  const progress = blockProgress(io, output)
  const options: VerifyOptions = {
    crypto: io.parts.crypto,
    signatures,
    progress: progress.show,
    interrupt$: io.interrupt$,
  }
  if (values.mine !== true) {
    const verdict = await verifyLedger(source, options).finally(progress.clear)
    if (verdict.problem !== undefined) return output.fail({ code: 'ledger-broken', message: verdict.problem })
    reportVerdict(context, source.name, verdict, signatures)
    return exitCodes.done
  }
  const own = await readOwn(context, source.hubKey)
  const findings: Evidence[] = []
  const verdict = await verifyLedger(source, {
    ...options,
    observe: entry => void findings.push(...own.lines.step(entry)),
  }).finally(progress.clear)
  findings.push(...own.lines.end())
  const files = reportFindings(context, own.hubKey, findings)
  if (verdict.problem !== undefined || findings.length > 0) {
    const first =
      findings[0] === undefined ? '' : `${count(findings.length, 'finding')} about you: ${findings[0].message}. `
    const where = files.length === 0 ? '' : `The evidence is in ${files.join(', ')}. `
    return output.fail({ code: 'ledger-broken', message: `${first}${where}${verdict.problem ?? ''}` })
  }
  reportVerdict(context, source.name, verdict, signatures)
  const mine = { lines: own.lines.count, settlements: own.settlements }
  output.result(
    { mine },
    `${count(mine.lines, 'line')} about you, and ${count(mine.settlements, 'settlement')} that you hold: all as signed.`,
  )
  return exitCodes.done
}

/** `ledger verify [SOURCE]`: follows a ledger from its first block, and with `--mine` compares it with what the home holds. */
export function ledgerVerifyCommand(context: Context, values: LedgerVerifyValues): Promise<ExitCode> {
  return firstValueFrom(
    openSource$(context, values.source).pipe(switchMap(source => verifySource(context, values, source))),
  )
}

/** Writes every line on; nothing is checked, since what is wrong is worth keeping. */
async function exportSource(
  { io, output, home }: Context,
  path: string | undefined,
  source: LedgerSource,
): Promise<ExitCode> {
  const target = path === undefined || path === '-' ? undefined : resolve(io.cwd, path)
  const progress = blockProgress(io, output)
  let file: number | undefined
  try {
    // Not over a file that is there: it may be the only copy of what a hub once said.
    if (target !== undefined) file = openSync(target, 'wx')
  } catch (error) {
    throw toLighthouseError('store-failed', error, `cannot make "${target}" in "${home}"`)
  }
  try {
    let isInterrupted = false
    const lines$ = source.line$.pipe(
      scan((blocks, lines) => {
        const text = lines.map(line => `${line}\n`).join('')
        if (file === undefined) io.stdout.write(text)
        else writeSync(file, text)
        progress.show(blocks + lines.length)
        return blocks + lines.length
      }, 0),
      takeUntil(
        io.interrupt$.pipe(
          switchMap(() => {
            isInterrupted = true
            return [undefined]
          }),
        ),
      ),
    )
    const blocks = await lastValueFrom(lines$, { defaultValue: 0 })
    progress.clear()
    if (isInterrupted) throw interrupted()
    if (target !== undefined)
      output.result({ exported: { file: target, blocks } }, `${count(blocks, 'block')} in ${printable(target)}`)
    return exitCodes.done
  } finally {
    progress.clear()
    if (file !== undefined) closeSync(file)
  }
}

/** `ledger export [SOURCE] [-o FILE]`: the ledger as it is, to a file or to stdout. */
export function ledgerExportCommand(context: Context, values: LedgerExportValues): Promise<ExitCode> {
  return firstValueFrom(
    openSource$(context, values.source).pipe(switchMap(source => exportSource(context, values.output, source))),
  )
}
