import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { catchError, concatMap, firstValueFrom, lastValueFrom, of, scan, switchMap, tap } from 'rxjs'
import { isLighthouseError, toLighthouseError } from '../../protocol/errors.js'
import { parseLedgerLine } from '../../protocol/ledger/ledger-line.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { failOnInterrupt } from '../interrupted.js'
import { headRemarks, verifyMine } from '../ledger/mine.js'
import { type Own, own$ } from '../ledger/own.js'
import { count, remarksOn, reportVerdict } from '../ledger/report.js'
import { type LedgerSource, openSource$ } from '../ledger/source.js'
import { type VerifyOptions, verifyLedger } from '../ledger/verify.js'
import { liveLine } from '../live-line.js'
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

/** What `ledger verify` does with an open source. */
async function verifySource(
  context: Context,
  values: LedgerVerifyValues,
  source: LedgerSource,
  own: Own | undefined,
): Promise<ExitCode> {
  const { io, output } = context
  const signatures = values.fast !== true
  const progress = liveLine(io, output)
  const options: VerifyOptions = {
    crypto: io.parts.crypto,
    signatures,
    progress: blocks => progress.show(() => count(blocks, 'block')),
    interrupt$: io.interrupt$,
  }
  if (own?.mine !== undefined) return verifyMine(context, options, source, own, own.mine).finally(progress.clear)
  let fork: string | undefined
  const verdict = await verifyLedger(source, {
    ...options,
    rule: entry => {
      fork ??= own?.heads.step(entry)?.message
      return source.hubKey === undefined ? undefined : fork
    },
  }).finally(progress.clear)
  // A file names its hub only in its first receipt.
  const isKnown = own !== undefined && (source.hubKey ?? verdict.audit.hubKey) === own.hubKey
  const end = isKnown ? own.heads.end(verdict.audit.seq)?.message : undefined
  const problem = verdict.problem ?? (isKnown ? fork : undefined) ?? (source.kind === 'hub' ? end : undefined)
  if (problem !== undefined) return output.fail({ code: 'ledger-broken', message: problem })
  const remarks = [...remarksOn(source, verdict), ...(isKnown ? headRemarks(own, verdict.audit.seq) : [])]
  reportVerdict(context, source, verdict, signatures, remarks)
  return exitCodes.done
}

/** `ledger verify [SOURCE]`: follows a ledger from its first block, and with `--mine` compares it with what the home holds. */
export function ledgerVerifyCommand(context: Context, values: LedgerVerifyValues): Promise<ExitCode> {
  const scope = { isHome: values.mine === true || values.source === undefined, isMine: values.mine === true }
  return firstValueFrom(
    openSource$(context, values.source).pipe(
      switchMap(source =>
        own$(context, source, scope).pipe(
          catchError((error: unknown) => {
            if (scope.isMine || !isLighthouseError(error, 'store-failed')) throw error
            context.output.notice(`what this home holds was not compared: ${error.message}`)
            return of(undefined)
          }),
          switchMap(own => verifySource(context, values, source, own)),
        ),
      ),
    ),
  )
}

/** Writes every line on; nothing is checked, since what is wrong is worth keeping. */
async function exportSource(
  { io, output }: Context,
  path: string | undefined,
  { head, line$ }: LedgerSource,
): Promise<ExitCode> {
  const target = path === undefined || path === '-' ? undefined : resolve(io.cwd, path)
  const failed =
    (message: string) =>
    (error: unknown): never => {
      throw toLighthouseError('store-failed', error, message)
    }
  // Not over a file that is there: it may be the only copy of a hub's ledger.
  const file = target === undefined ? undefined : await open(target, 'wx').catch(failed(`cannot make "${target}"`))
  const write = (text: string): Promise<void> =>
    file === undefined ? io.stdout.writeAll(text) : file.appendFile(text).catch(failed('the ledger cannot be written'))
  const progress = liveLine(io, output)
  try {
    const written$ = line$.pipe(
      concatMap(async lines => {
        await write(lines.map(line => `${line}\n`).join(''))
        return { blocks: lines.length, last: parseLedgerLine(lines.at(-1) ?? '')?.seq }
      }),
      scan((all, { blocks, last = all.last }) => ({ blocks: all.blocks + blocks, last }), { blocks: 0, last: 0 }),
      tap(({ blocks }) => progress.show(() => count(blocks, 'block'))),
      failOnInterrupt(io),
    )
    const { blocks, last } = await lastValueFrom(written$, { defaultValue: { blocks: 0, last: 0 } })
    progress.clear()
    if (head !== undefined && last < head.seq) {
      const message = `the ledger ends with block ${last}, but the hub signed block ${head.seq} as its head`
      return output.fail({ code: 'ledger-broken', message })
    }
    if (target !== undefined)
      output.result({ exported: { file: target, blocks } }, `${count(blocks, 'block')} in ${printable(target)}`)
    return exitCodes.done
  } finally {
    progress.clear()
    await file?.close()
  }
}

/** `ledger export [SOURCE] [-o FILE]`: the ledger as it is, to a file or to stdout. */
export function ledgerExportCommand(context: Context, values: LedgerExportValues): Promise<ExitCode> {
  return firstValueFrom(
    openSource$(context, values.source).pipe(switchMap(source => exportSource(context, values.output, source))),
  )
}
