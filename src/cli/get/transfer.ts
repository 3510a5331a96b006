import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { PassThrough } from 'node:stream'
import { askTunnel, silence, type TunnelAddress } from '../control.js'
import { CommandFailure } from '../failure.js'
import type { FileAddress } from './address.js'
import { judgeAnswer, resumeHeaders } from './answer.js'
import type { PartialFile } from './partial-file.js'

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
  readonly partial: PartialFile
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
  /** What became of the connection, which Node tells the request only. */
  readonly failure: () => Error | undefined
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
  asked.setTimeout(stallMs, () => asked.destroy(new Error(`nothing came for ${stallMs / 1000} s`)))
  asked.end()
  const [message] = (await once(asked, 'response', { signal })) as [IncomingMessage]
  const body = new PassThrough({ highWaterMark: waitingBytes })
  message.on('error', error => {
    failure ??= error
  })
  message.once('close', () => body.end())
  message.pipe(body)
  return { message, body, failure: () => failure }
}

function broken(nickname: string, error: unknown): CommandFailure {
  const why = error instanceof Error ? error.message : String(error)
  return new CommandFailure('transfer-broken', `the transfer from ${nickname} broke off (${why})`)
}

/** Throws `transfer-broken` when a body that has been read did not come to its end. */
function assertComplete({ message, failure }: Opened, nickname: string): void {
  // A body that ends with its connection looks complete when that is reset.
  const error = failure() ?? (message.complete ? undefined : new Error('it ended early'))
  if (error !== undefined) throw broken(nickname, error)
}

/**
 * Connects through the running peer, asks for what is missing and puts it into the partial file. Ends with `whole`, or
 * without it when everything has to be asked for again. Throws why there is no connection, `transfer-broken` and what
 * `judgeAnswer` and the partial file throw. Holds a megabyte: no more is read before the disk has taken it.
 */
export async function* transfer(
  { home, address, partial, stallMs }: Transfer,
  signal: AbortSignal,
): AsyncGenerator<TransferEvent, void> {
  const { nickname, path } = address
  const answer = await askTunnel(home, nickname, path, signal)
  if (answer.type !== 'answered') throw silence(home, answer)
  const { held } = partial
  const opened = await open(answer.value, resumeHeaders(held), stallMs, signal).catch((error: unknown) => {
    throw broken(nickname, error)
  })
  try {
    const { statusCode = 0, headers } = opened.message
    const verdict = judgeAnswer(statusCode, headers, held)
    if (verdict.type === 'complete') return yield { type: 'whole' }
    if (verdict.type === 'forget') return await partial.begin(undefined)
    if (verdict.type === 'begin') {
      await partial.begin(verdict.version)
      if (held !== undefined && held.version.etag !== verdict.version.etag) yield { type: 'changed' }
    }
    yield { type: 'began', from: partial.length }
    for await (const piece of opened.body as AsyncIterable<Uint8Array>) {
      signal.throwIfAborted()
      await partial.append(piece)
      yield { type: 'received' }
    }
    assertComplete(opened, nickname)
    yield { type: 'whole' }
  } finally {
    opened.message.destroy()
    opened.body.destroy()
  }
}
