import { lstatSync, type Stats, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { ignoreElements, lastValueFrom, merge, takeUntil, takeWhile, tap, timer } from 'rxjs'
import { formatBytes } from '../../protocol/byte-size.js'
import { toLighthouseError } from '../../protocol/errors.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { CommandFailure, toFailure } from '../failure.js'
import { type FileAddress, parseFileAddress } from '../get/address.js'
import { type DownloadEvent, download$ } from '../get/download.js'
import { describeFailure } from '../get/failure-text.js'
import { PartialFile } from '../get/partial-file.js'
import { progressLine } from '../get/progress.js'
import { printable } from '../output.js'
import type { Context } from './context.js'

/** Options of `get`. `file` is the argument. */
export interface GetValues {
  readonly file: string
  readonly output?: string
  readonly force?: boolean
}

/** Undefined where nothing is. Throws `store-failed` for a path that cannot be one. */
function look(stat: typeof lstatSync, path: string): Stats | undefined {
  try {
    return stat(path, { throwIfNoEntry: false })
  } catch (error) {
    throw toLighthouseError('store-failed', error, `cannot write "${path}"`)
  }
}

/** Where the file goes: FILE, or under its own name into the folder FILE or the current one. */
function targetOf(cwd: string, { output, force }: GetValues, { name }: FileAddress): string {
  if (output === '-') {
    throw new CommandFailure('usage', 'get writes files; a program reads http://127.0.0.1:42000/proxy/NICK/PATH itself')
  }
  const given = resolve(cwd, output ?? '')
  const isFolder = look(statSync, given)?.isDirectory() === true
  const target = isFolder ? join(given, name) : given
  const present = look(lstatSync, target)
  if (present === undefined) return target
  if (!present.isFile() && !present.isSymbolicLink()) {
    throw new CommandFailure('file-exists', `"${target}" is there and no file`)
  }
  if (force === true) return target
  throw new CommandFailure('file-exists', `"${target}" is there already; replace it with --force, or choose -o FILE`)
}

/** How often progress is shown while nothing comes, as when a transfer is held for want of coins. */
const lookAgainMs = 1_000

async function fetchInto(context: Context, address: FileAddress, partial: PartialFile): Promise<number> {
  const { io, output, home } = context
  const progress = progressLine(io, output, address.name)
  const notice = (text: string): void => {
    progress.clear()
    output.notice(text)
  }
  let resumedFrom: number | undefined
  const tell = (event: DownloadEvent): void => {
    switch (event.type) {
      case 'began':
        if (resumedFrom === undefined && event.from > 0) notice(`Going on at ${formatBytes(event.from)}.`)
        resumedFrom ??= event.from
        break
      case 'changed':
        resumedFrom = 0
        notice(`${address.nickname} has another version of it now: it is fetched from its beginning.`)
        break
      case 'waiting':
        notice(`${toSentence(event.failure.message)} Trying again in ${(event.waitMs / 1000).toFixed(1)} s.`)
        break
      default:
        progress.show(partial.length, partial.size)
    }
  }
  const show$ = timer(lookAgainMs, lookAgainMs).pipe(
    tap(() => progress.show(partial.length, partial.size)),
    ignoreElements(),
  )
  const told$ = merge(download$({ home, address, partial }).pipe(tap(tell)), show$).pipe(
    takeWhile(({ type }) => type !== 'whole', true),
    takeUntil(io.interrupt$),
  )
  const last = await lastValueFrom(told$, { defaultValue: undefined }).finally(progress.clear)
  if (last?.type !== 'whole') throw new CommandFailure('interrupted', 'it was interrupted before the end')
  return resumedFrom ?? partial.length
}

function toSentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/[.!?]$/, '')}.`
}

/** `get NICK/PATH`: a file through the running peer, whole or not at all under its name. */
export async function getCommand(context: Context, values: GetValues): Promise<ExitCode> {
  const { io, output } = context
  const address = parseFileAddress(values.file, process.platform === 'win32')
  const target = targetOf(io.cwd, values, address)
  const partial = await PartialFile.open(target, address.text, io.pid)
  try {
    const resumedFrom = await fetchInto(context, address, partial)
    const { length: bytes } = partial
    const etag = partial.held?.version.etag
    await partial.finish(values.force === true)
    output.result(
      { got: { address: address.text, file: target, bytes, resumedFrom, etag } },
      `${printable(basename(target))}: ${formatBytes(bytes)} from ${address.nickname}`,
    )
    return exitCodes.done
  } catch (error) {
    return output.fail(describeFailure(toFailure(error), values.file, address, partial))
  } finally {
    await partial.close()
  }
}
