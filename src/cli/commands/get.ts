import { lstatSync, type Stats, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { lastValueFrom, takeUntil, tap } from 'rxjs'
import { formatCoins } from '../../protocol/coins.js'
import { toLighthouseError } from '../../protocol/errors.js'
import { type ExitCode, exitCodes, type FailureCode } from '../exit-codes.js'
import { CommandFailure, type Failure, toFailure } from '../failure.js'
import { formatBytes } from '../format.js'
import { type FileAddress, parseFileAddress } from '../get/address.js'
import { type DownloadEvent, download$ } from '../get/download.js'
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

/** What is there, and how to go on; nothing where nothing is kept that can be gone on from. */
function keptText({ path, held, size }: PartialFile): string {
  if (held === undefined) return ''
  const all = size === undefined ? '' : ` of ${formatBytes(size)}`
  return ` ${formatBytes(held.from)}${all} are kept in "${path}": the same command goes on from there.`
}

/** What the missing bytes cost, as far as one knows. */
function priceText({ length, size }: PartialFile): string {
  if (size === undefined) return ' One coin buys one megabyte.'
  return ` The missing ${formatBytes(size - length)} cost ${formatCoins(size - length)} coins.`
}

/** Where the message alone does not say of which file. */
const aboutFile = new Set<FailureCode>(['not-a-file', 'no-such-file', 'unexpected-answer', 'not-as-announced'])

function describe({ code, message }: Failure, address: FileAddress, partial: PartialFile): Failure {
  const isCoins = code === 'no-coins'
  const about = isCoins ? 'out of coins: ' : aboutFile.has(code) ? `${address.text}: ` : ''
  const said = /[.!?]$/.test(message) ? message : `${message}.`
  return { code, message: `${about}${said}${isCoins ? priceText(partial) : ''}${keptText(partial)}` }
}

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
  const last = await lastValueFrom(download$({ home, address, partial }).pipe(tap(tell), takeUntil(io.interrupt$)), {
    defaultValue: undefined,
  }).finally(progress.clear)
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
    return output.fail(describe(toFailure(error), address, partial))
  } finally {
    await partial.close()
  }
}
