import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { PassThrough } from 'node:stream'
import { askTunnel, type TunnelAddress } from '../control.js'
import { CommandFailure } from '../failure.js'
import type { FileAddress } from './address.js'
import { type Held, judgeAnswer, resumeHeaders, type BodyAction } from './answer.js'
import type { Bound } from './bound.js'
import type { Destination } from './destination.js'

/** What a transfer reports. */
export type TransferEvent =
  /** The body begins: at the front, or where an earlier one left off. */
  | { readonly type: 'began'; readonly from: number }
  /** The file is another one now, so that what there was had to go. */
  | { readonly type: 'changed' }
  /** More is on the disk. */
  | { readonly type: 'received' }
  /** All of it is. */
  | { readonly type: 'whole' }

/** What is to be fetched, through whom, and where it goes. */
export interface Transfer {
  readonly home: string
  readonly address: FileAddress
  readonly into: Destination
  readonly bound: Bound
  /** How long nothing may come before the connection counts as broken. */
  readonly stallMs: number
}

/**
 * What may wait for the disk, twice: coming in and going out. It has been paid for, and a connection that breaks takes
 * along what Node itself holds of it.
 */
const waitingBytes = 524_288

/** An answer whose body has not been read yet. */
interface Opened {
  readonly message: IncomingMessage
  /** The body as far as it comes; ends where the connection breaks, too. */
  readonly body: PassThrough
  /** Why the connection failed, which Node reports to the request only. */
  readonly failure: () => Error | undefined
  /** While somebody is asked, silence is no failure. */
  readonly setPatience: (stallMs: number) => void
}

async function open(
  { port, path }: TunnelAddress,
  given: Readonly<Record<string, string>>,
  stallMs: number,
  signal: AbortSignal,
): Promise<Opened> {
  // What is asked for is the file's own bytes: a range of a compressed body would be of another thing.
  const headers = { accept: '*/*', 'accept-encoding': 'identity', ...given }
  const asked = request({ host: '127.0.0.1', port, path, headers, agent: false, signal })
  let failure: Error | undefined
  asked.on('error', error => {
    failure = error
  })
  asked.once('timeout', () => asked.destroy(new Error(`no data for ${stallMs / 1000} s`)))
  asked.setTimeout(stallMs)
  asked.end()
  const [message] = (await once(asked, 'response', { signal })) as [IncomingMessage]
  const body = new PassThrough({ highWaterMark: waitingBytes })
  message.on('error', error => {
    failure ??= error
  })
  message.once('close', () => body.end())
  message.pipe(body)
  return { message, body, failure: () => failure, setPatience: ms => void asked.setTimeout(ms) }
}

function broken(nickname: string, error: unknown): CommandFailure {
  const why = error instanceof Error ? error.message : String(error)
  return new CommandFailure('transfer-broken', `the transfer from ${nickname} was interrupted (${why})`)
}

/** Throws `transfer-broken` when a body that has been read did not come to its end. */
function assertComplete({ message, failure }: Opened, nickname: string): void {
  // A body that ends with its connection looks complete when that is reset.
  const error = failure() ?? (message.complete ? undefined : new Error('it ended early'))
  if (error !== undefined) throw broken(nickname, error)
}

/** What is asked of somebody while the transfer waits. */
async function asking(opened: Opened, stallMs: number, question: () => Promise<void>): Promise<void> {
  opened.setPatience(0)
  await question()
  opened.setPatience(stallMs)
}

/**
 * Connects through the running peer, asks for what is missing and puts it where it goes. Ends with `whole`. Throws why there
 * is no connection, `transfer-broken`, and what `judgeAnswer`, the bound and the destination throw. Holds a megabyte: no more
 * is read before the disk has taken it.
 */
export async function* transfer(options: Transfer, signal: AbortSignal): AsyncGenerator<TransferEvent, void> {
  const { home, address, into, stallMs } = options
  const { nickname, path } = address
  const tunnel = await askTunnel(home, nickname, path, signal)
  const ask = (held: Held | undefined): Promise<Opened> =>
    open(tunnel, resumeHeaders(held), stallMs, signal).catch((error: unknown) => {
      throw broken(nickname, error)
    })
  const opened = await ask(into.held)
  const { held } = into
  const action = judge(opened, held)
  if (action.type !== 'ask-whole') return yield* receive(options, opened, action, signal)
  opened.message.destroy()
  const again = await ask(undefined)
  yield* receive(options, again, judge(again, undefined), signal)
}

function judge({ message }: Opened, held: Held | undefined): BodyAction {
  try {
    return judgeAnswer(message.statusCode ?? 0, message.headers, held)
  } catch (error) {
    message.destroy()
    throw error
  }
}

/** Puts the body of an answer where it goes. */
async function* receive(
  { address, into, bound, stallMs }: Transfer,
  opened: Opened,
  action: BodyAction,
  signal: AbortSignal,
): AsyncGenerator<TransferEvent, void> {
  try {
    if (action.type === 'begin' || action.type === 'append') {
      await asking(opened, stallMs, () => bound.begin(action.version.size))
      if (action.type === 'begin') {
        const before = into.held
        await into.begin(action.version)
        if (before !== undefined && before.version.etag !== action.version.etag) yield { type: 'changed' }
      }
      yield { type: 'began', from: into.length }
      for await (const piece of opened.body as AsyncIterable<Uint8Array>) {
        for (let left = piece; left.length > 0;) {
          signal.throwIfAborted()
          if (bound.room(into.length) === 0) await asking(opened, stallMs, () => bound.extend(into.length))
          const part = left.subarray(0, bound.room(into.length))
          await into.append(part)
          left = left.subarray(part.length)
          yield { type: 'received' }
        }
      }
      assertComplete(opened, address.nickname)
    }
    yield { type: 'whole' }
  } finally {
    opened.message.destroy()
    opened.body.destroy()
  }
}
