import { type ErrorCode, LighthouseError, errorCodes } from '../protocol/errors.js'
import { membersOf, parseMembers } from '../protocol/json.js'
import { parseCoins } from '../protocol/coins/amount.js'
import type { PeerStats } from '../protocol/peer/stats.js'
import { askLocal, type LocalReply } from './ask-local.js'
import { CommandFailure } from './failure.js'
import { isAlive, readRunFile, type RunFile } from './running.js'

/** A peer on this machine answers within milliseconds; after this long it hangs. */
const answerTimeoutMs = 5_000

/** How long a peer may take from claiming its home to opening its ports, before a living process id counts as another's. */
const startLimitMs = 60_000

/** What the running peer answered, and which process it is. */
export interface Answer<T> {
  readonly value: T
  readonly run: RunFile
}

interface PeerRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

function isRefused(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === 'ECONNREFUSED'
}

/** Failures whose next step depends on what happened, or to whom. */
const judgedCodes: ReadonlySet<string> = new Set<ErrorCode>(['connect-timeout', 'webrtc-failed', 'key-changed'])

/** The failure that a program reports with one of our codes: in a problem document (RFC 9457), or with `--json`. */
export function failureIn(value: unknown): LighthouseError | undefined {
  const { code, detail, message = detail, next } = membersOf(value)
  if (typeof code !== 'string' || !Object.hasOwn(errorCodes, code)) return undefined
  const text = typeof message === 'string' ? message : code
  // For other codes the commands have words of their own, which suit a terminal.
  const isJudged = typeof next === 'string' && judgedCodes.has(code)
  return new LighthouseError(code as ErrorCode, text, isJudged ? { next } : {})
}

/**
 * Asks the peer that runs in `home`; `read` takes the answer, or gives undefined for one that was not hoped for. Rejects with
 * `not-running`, with `not-answering`, or with the failure that the peer names.
 */
async function ask<T>(
  home: string,
  { method, path, timeoutMs, signal }: PeerRequest,
  read: (reply: LocalReply) => { readonly value: T } | undefined,
): Promise<Answer<T>> {
  const notRunning = new CommandFailure('not-running', `no peer of "${home}" is running`)
  const run = readRunFile(home)
  if (run === undefined || !isAlive(run.pid)) throw notRunning
  const notAnswering = (reason: string): CommandFailure =>
    new CommandFailure('not-answering', `cannot ask the peer (process ${run.pid}): ${reason}`)
  if (run.url === null) {
    // A start that long ago is over; the process id belongs to somebody else by now.
    const age = Date.now() - Date.parse(run.startedAt)
    throw age >= 0 && age < startLimitMs ? notAnswering('it is still starting') : notRunning
  }
  const late = AbortSignal.timeout(timeoutMs)
  const answered = askLocal(new URL(path, run.url), {
    method,
    controlToken: run.controlToken,
    signal: signal === undefined ? late : AbortSignal.any([signal, late]),
  })
  const reply = await answered.catch((error: unknown) => {
    // Nobody listens there any more: it was killed, and the process id is another's.
    throw isRefused(error) ? notRunning : notAnswering(`it did not answer within ${timeoutMs / 1000} s`)
  })
  try {
    const found = read(reply)
    if (found !== undefined) return { value: found.value, run }
  } catch (error) {
    if (error instanceof SyntaxError) throw notAnswering('its answer is invalid')
    throw error
  }
  throw failureIn(parseMembers(reply.body)) ?? notAnswering(`it answers with status ${reply.status}`)
}

/** Asks the peer that runs in `home`; `read` takes the body of an answer with a good status. Rejects as above. */
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

/** What cannot be asked is as good as not there. */
export function unlessSilent(error: unknown): undefined {
  if (error instanceof CommandFailure && ['not-running', 'not-answering'].includes(error.code)) return undefined
  throw error
}

/** Where a peer is reached on this machine, and what to ask there. */
export interface TunnelAddress {
  readonly port: number
  readonly path: string
}

/** A peer is reached, or given up, within 20 s; the hub may have been asked for the wallet before. */
const connectTimeoutMs = 30_000

/** Asks the peer that runs in `home` for the tunnel to `nickname`. Aborting drops the wish. */
export async function askTunnel(
  home: string,
  nickname: string,
  path: string,
  signal: AbortSignal,
): Promise<TunnelAddress> {
  const asked: PeerRequest = { method: 'GET', path: `/proxy/${nickname}${path}`, timeoutMs: connectTimeoutMs, signal }
  const { value } = await ask(home, asked, ({ status, location }) => {
    const [, port, there] = /^http:\/\/127\.0\.0\.1:(\d{1,5})(\/.*)$/.exec(location ?? '') ?? []
    if (status !== 302 || port === undefined || there === undefined) return undefined
    return { value: { port: Number(port), path: there } }
  })
  return value
}

/** The body of `/stats`. Throws SyntaxError when it is something else. */
export function readStats(body: string): PeerStats {
  const stats = parseMembers(body)
  if (typeof stats.nickname !== 'string' || !Array.isArray(stats.connections)) throw new SyntaxError('not /stats')
  return stats as unknown as PeerStats
}

/** The body of `/coins`. */
export interface CoinsAnswer {
  readonly bytes: number
  /** When the hub reported it, in ISO 8601; undefined if it did just now. */
  readonly asOf: string | undefined
}

/** The body of an answer to `/control/forgive/NICK`: how many bytes were owed. Throws SyntaxError when it is something else. */
export function readForgiven(body: string): number {
  const { bytes } = parseMembers(body)
  if (typeof bytes !== 'number') throw new SyntaxError('not /control/forgive')
  return bytes
}

/** The body of `/coins`. Throws SyntaxError when it is something else. */
export function readCoins(body: string): CoinsAnswer {
  const { coins, asOf } = parseMembers(body)
  const bytes = parseCoins(String(coins))
  if (bytes === undefined) throw new SyntaxError('not /coins')
  return { bytes, asOf: typeof asOf === 'string' ? asOf : undefined }
}
