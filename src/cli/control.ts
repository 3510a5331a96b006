import { once } from 'node:events'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import { text } from 'node:stream/consumers'
import { type ErrorCode, LighthouseError, errorCodes } from '../protocol/errors.js'
import { parseCoins } from '../protocol/coins/amount.js'
import type { PeerStats } from '../protocol/peer/stats.js'
import { CommandFailure } from './failure.js'
import { isAlive, readRunFile, type RunFile } from './running.js'

/** A peer on this machine answers within milliseconds; after this long it hangs. */
const answerTimeoutMs = 5_000

/** How long a peer may take from claiming its home to opening its ports, before a living process id counts as another's. */
const startLimitMs = 60_000

/** What came of a question to the running peer. */
export type Answer<T> =
  | { readonly type: 'answered'; readonly value: T; readonly run: RunFile }
  /** No process, or it ended without removing its run file. */
  | { readonly type: 'not-running' }
  /** It lives and did not answer properly in time. */
  | { readonly type: 'silent'; readonly run: RunFile; readonly reason: string }
  /** It answers that it cannot, and why. */
  | { readonly type: 'failed'; readonly run: RunFile; readonly error: LighthouseError }

/** Why there is no good answer. */
export type NoAnswer = Exclude<Answer<unknown>, { type: 'answered' }>

/** The same as an error. */
export function silence(home: string, answer: NoAnswer): CommandFailure | LighthouseError {
  if (answer.type === 'not-running') return new CommandFailure('not-running', `no peer of "${home}" is running`)
  if (answer.type === 'failed') return answer.error
  const message = `the peer (process ${answer.run.pid}) cannot be asked: ${answer.reason}`
  return new CommandFailure('not-answering', message)
}

interface Question {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

interface Reply {
  readonly status: number
  readonly body: string
  readonly location: string | undefined
}

/** Plain HTTP/1.1: `fetch` refuses some ports that a peer may well have, and sends headers of a browser. */
async function request(run: RunFile, { method, path, timeoutMs, signal: given }: Question): Promise<Reply> {
  const late = AbortSignal.timeout(timeoutMs)
  const signal = given === undefined ? late : AbortSignal.any([given, late])
  const headers = { accept: 'application/json', 'x-lighthouse-token': run.controlToken, 'content-length': 0 }
  const asked = httpRequest(new URL(path, run.url ?? undefined), { method, headers, signal, agent: false })
  // Told through the promises below; without a listener an abort in mid-body would end the process.
  asked.on('error', () => undefined)
  asked.end()
  const [response] = (await once(asked, 'response', { signal })) as [IncomingMessage]
  const { statusCode: status = 0, headers: answered } = response
  return { status, body: await text(response), location: answered.location }
}

/** The failure in a problem document (RFC 9457), when it names one of our codes. */
function problemIn(body: string): LighthouseError | undefined {
  try {
    const { code, detail } = (JSON.parse(body) ?? {}) as { readonly code?: unknown; readonly detail?: unknown }
    if (typeof code !== 'string' || !Object.hasOwn(errorCodes, code)) return undefined
    return new LighthouseError(code as ErrorCode, typeof detail === 'string' ? detail : code)
  } catch {
    // No problem document: the status has to do.
    return undefined
  }
}

function isRefused(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === 'ECONNREFUSED'
}

/** Asks the peer that runs in `home`; `read` takes the answer, or gives undefined for one that was not hoped for. */
async function ask<T>(
  home: string,
  question: Question,
  read: (reply: Reply) => { readonly value: T } | undefined,
): Promise<Answer<T>> {
  const run = readRunFile(home)
  if (run === undefined || !isAlive(run.pid)) return { type: 'not-running' }
  if (run.url === null) {
    // A start that long ago is over; the process id belongs to somebody else by now.
    const age = Date.now() - Date.parse(run.startedAt)
    return age >= 0 && age < startLimitMs
      ? { type: 'silent', run, reason: 'it is still starting' }
      : { type: 'not-running' }
  }
  try {
    const reply = await request(run, question)
    const found = read(reply)
    if (found !== undefined) return { type: 'answered', value: found.value, run }
    const error = problemIn(reply.body)
    if (error !== undefined) return { type: 'failed', run, error }
    return { type: 'silent', run, reason: `it answers with status ${reply.status}` }
  } catch (error) {
    // Nobody listens there any more: it was killed, and the process id is another's.
    if (isRefused(error)) return { type: 'not-running' }
    const reason =
      error instanceof SyntaxError
        ? 'it does not speak as a peer does'
        : `it gave no answer within ${question.timeoutMs / 1000} s`
    return { type: 'silent', run, reason }
  }
}

/** Asks the peer that runs in `home`; `read` takes the body of an answer with a good status. */
export function askPeer<T>(
  home: string,
  method: 'GET' | 'POST',
  path: string,
  read: (body: string) => T,
): Promise<Answer<T>> {
  return ask(home, { method, path, timeoutMs: answerTimeoutMs }, ({ status, body }) =>
    status >= 200 && status <= 299 ? { value: read(body) } : undefined,
  )
}

/** Where a peer is reached on this machine, and what to ask there. */
export interface TunnelAddress {
  readonly port: number
  readonly path: string
}

/** A peer is reached, or given up, within 20 s; the hub may have been asked for the wallet before. */
const connectTimeoutMs = 30_000

/** Asks the peer that runs in `home` for the tunnel to `nickname`. Aborting drops the wish. */
export function askTunnel(
  home: string,
  nickname: string,
  path: string,
  signal: AbortSignal,
): Promise<Answer<TunnelAddress>> {
  const question: Question = { method: 'GET', path: `/proxy/${nickname}${path}`, timeoutMs: connectTimeoutMs, signal }
  return ask(home, question, ({ status, location }) => {
    const [, port, there] = /^http:\/\/127\.0\.0\.1:(\d{1,5})(\/.*)$/.exec(location ?? '') ?? []
    if (status !== 302 || port === undefined || there === undefined) return undefined
    return { value: { port: Number(port), path: there } }
  })
}

/** The body of `/stats`. Throws SyntaxError when it is something else. */
export function readStats(body: string): PeerStats {
  const stats = JSON.parse(body) as Partial<PeerStats> | null
  if (typeof stats?.nickname !== 'string' || !Array.isArray(stats.connections)) throw new SyntaxError('not /stats')
  return stats as PeerStats
}

/** The body of `/coins`. */
export interface CoinsAnswer {
  readonly bytes: number
  /** When the hub said so, in ISO 8601, while it is away. */
  readonly asOf: string | undefined
}

/** The body of an answer to `/control/forgive/NICK`: how many bytes were owed. Throws SyntaxError when it is something else. */
export function readForgiven(body: string): number {
  const { bytes } = (JSON.parse(body) ?? {}) as { readonly bytes?: unknown }
  if (typeof bytes !== 'number') throw new SyntaxError('not /control/forgive')
  return bytes
}

/** The body of `/coins`. Throws SyntaxError when it is something else. */
export function readCoins(body: string): CoinsAnswer {
  const { coins, asOf } = (JSON.parse(body) ?? {}) as { readonly coins?: unknown; readonly asOf?: unknown }
  const bytes = parseCoins(String(coins))
  if (bytes === undefined) throw new SyntaxError('not /coins')
  return { bytes, asOf: typeof asOf === 'string' ? asOf : undefined }
}
