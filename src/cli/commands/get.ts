import { open } from 'node:fs/promises'
import { basename } from 'node:path'
import { ignoreElements, lastValueFrom, merge, takeWhile, tap, timer } from 'rxjs'
import { formatBytes } from '../../protocol/byte-size.js'
import { diskFailure } from '../disk-failure.js'
import { confirm } from '../confirm.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { type Failure, toFailure } from '../failure.js'
import { type FileAddress, parseFileAddress } from '../get/address.js'
import { Bound } from '../get/bound.js'
import type { Destination } from '../get/destination.js'
import { type DownloadEvent, download$ } from '../get/download.js'
import { describeGetFailure } from '../get/failure-text.js'
import { PartialFile } from '../get/partial-file.js'
import { progressLine } from '../get/progress.js'
import { StreamOutput } from '../get/stream-output.js'
import { targetOf } from '../get/target.js'
import { failOnInterrupt, interrupted } from '../interrupted.js'
import { createOutput, printable } from '../output.js'
import { outputFailure } from '../sink.js'
import type { Context } from './context.js'

/** Options of `get`. `file` is the argument. */
export interface GetValues {
  readonly file: string
  readonly output?: string
  readonly force?: boolean
  /** Most bytes that are fetched unasked. */
  readonly max?: number
}

/** How often progress is shown while nothing comes, as when a transfer is held for want of coins. */
const progressPeriodMs = 1_000

interface Fetch {
  /** Without progress where a terminal shows the bytes themselves. */
  readonly isQuiet: boolean
  readonly context: Context
  readonly values: GetValues
  readonly address: FileAddress
}

/** Fetches to where it goes. Resolves with how much was there before. */
async function fetchInto({ isQuiet, context, values, address }: Fetch, into: Destination): Promise<number> {
  const { io, output, home } = context
  const progress = progressLine(io, output, address.name)
  let isAsking = false
  const notice = (text: string): void => {
    progress.clear()
    output.notice(text)
  }
  const show = (): void => {
    if (!isAsking && !isQuiet) progress.show(into.length, into.size)
  }
  const ask = async (message: string): Promise<boolean> => {
    progress.clear()
    isAsking = true
    const answer = await confirm(io, message)
    isAsking = false
    if (answer === undefined) throw interrupted()
    return answer
  }
  const bound = new Bound({
    nickname: address.nickname,
    name: address.name,
    max: values.max,
    ask: io.interactive && !output.json ? ask : undefined,
    notice,
  })
  let resumedFrom: number | undefined
  const report = (event: DownloadEvent): void => {
    switch (event.type) {
      case 'began':
        if (resumedFrom === undefined && event.from > 0) notice(`Resuming at ${formatBytes(event.from)}.`)
        resumedFrom ??= event.from
        break
      case 'changed':
        resumedFrom = 0
        notice(`${address.nickname} has another version of it now. Downloading from the beginning.`)
        break
      case 'waiting':
        notice(`${toSentence(event.failure.message)} Retrying in ${(event.waitMs / 1000).toFixed(1)} s.`)
        break
      default:
        show()
    }
  }
  const running$ = merge(
    download$({ home, address, into, bound }).pipe(tap(report)),
    timer(progressPeriodMs, progressPeriodMs).pipe(tap(show), ignoreElements()),
  ).pipe(
    takeWhile(({ type }) => type !== 'whole'),
    failOnInterrupt(io),
  )
  await lastValueFrom(running$, { defaultValue: undefined }).finally(() => progress.clear())
  return resumedFrom ?? into.length
}

function toSentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/[.!?]$/, '')}.`
}

/** Downloads, runs `finish`, and reports the outcome. */
async function perform(fetch: Fetch, into: Destination, file: string, finish: () => Promise<void>): Promise<ExitCode> {
  const { context, values, address } = fetch
  const { output } = context
  try {
    const resumedFrom = await fetchInto(fetch, into)
    const { length: bytes } = into
    const etag = into.held?.version.etag
    await finish()
    output.result(
      { got: { address: address.text, file, bytes, resumedFrom, etag } },
      `${printable(file === '-' ? address.name : basename(file))}: ${formatBytes(bytes)} from ${address.nickname}`,
    )
    return exitCodes.done
  } catch (error) {
    const failure: Failure = toFailure(error)
    if (failure.code === 'output-closed') throw error
    return output.fail(describeGetFailure(failure, values.file, address, into))
  }
}

/** Into a file, which is there whole or not at all. */
async function getFile(fetch: Fetch, path: string): Promise<ExitCode> {
  const partial = await PartialFile.open(path, fetch.address.text, fetch.context.io.pid)
  try {
    return await perform(fetch, partial, path, () => partial.finish(fetch.values.force === true))
  } finally {
    await partial.close()
  }
}

/** Into a pipe or a device, from its beginning. */
async function getStream(fetch: Fetch, path: string): Promise<ExitCode> {
  const failed = (error: unknown): never => {
    throw outputFailure(error as NodeJS.ErrnoException, path)
  }
  const file = await open(path, 'w').catch((error: unknown) => {
    throw diskFailure(error, path)
  })
  try {
    const into = new StreamOutput(bytes => file.writeFile(bytes).catch(failed))
    return await perform(fetch, into, path, () => Promise.resolve())
  } finally {
    await file.close()
  }
}

/** To stdout, which gets the file's bytes and nothing else: messages go to stderr. */
async function getStdout(fetch: Fetch): Promise<ExitCode> {
  const { io, output } = fetch.context
  const context = { ...fetch.context, output: createOutput({ ...io, stdout: io.stderr }, output.json) }
  const into = new StreamOutput(bytes => io.stdout.writeAll(bytes))
  return perform({ ...fetch, context, isQuiet: io.stdout.isTTY }, into, '-', () => Promise.resolve())
}

/** `get NICK/PATH`: a file through the running peer, whole or not at all under its name; or to stdout. */
export async function getCommand(context: Context, values: GetValues): Promise<ExitCode> {
  const address = parseFileAddress(values.file, process.platform === 'win32')
  const fetch: Fetch = { isQuiet: false, context, values, address }
  const target = targetOf(context.io.cwd, values.output, address.name, values.force === true)
  switch (target.type) {
    case 'stdout':
      return getStdout(fetch)
    case 'stream':
      return getStream(fetch, target.path)
    case 'file':
      return getFile(fetch, target.path)
  }
}
