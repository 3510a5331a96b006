import { catchError, map, type Observable, type ObservableInput, throwError, timeout } from 'rxjs'
import { fromFetch } from 'rxjs/fetch'
import type { HubClient } from '../../ports.js'
import { parseCoins } from '../../protocol/coins/amount.js'
import { LighthouseError, toLighthouseError } from '../../protocol/errors.js'
import { parseMembers } from '../../protocol/json.js'
import { maxLedgerLineBytes } from '../../protocol/ledger/ledger-line.js'
import { LineSplitter } from '../../protocol/line-splitter.js'
import { registrationPolicies } from '../../protocol/peer/registration-policy.js'
import { isPublicKey, parseHead } from '../../protocol/signaling/signal.js'
import { type ConnectionFailure, hubWords, unreachableReason } from '../../protocol/signaling/hub-failure.js'

/** From the request to the last byte of the answer. */
const answerTimeoutMs = 10_000

/** No answer that a peer asks for comes near it; more is not read. */
const maxAnswerBytes = 65_536

interface Request {
  readonly method?: 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

interface Answer {
  readonly status: number
  readonly text: string
}

function invalidResponse(url: string, what: string): LighthouseError {
  return new LighthouseError(
    'hub-protocol',
    `${url} answered ${what}, which is not a hub's answer. Check its address and version.`,
  )
}

async function readAnswer(response: Response): Promise<Answer> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  if (response.body !== null) {
    // Leaving the loop cancels the rest of the answer.
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      if (bytes > maxAnswerBytes) throw invalidResponse(response.url, `more than ${maxAnswerBytes} bytes`)
      text += decoder.decode(chunk, { stream: true })
    }
  }
  return { status: response.status, text: text + decoder.decode() }
}

/** The answer's lines, as each piece of it completes them. Leaving it early cancels the rest of the answer. */
async function* readLines(response: Response): AsyncGenerator<readonly string[]> {
  const { status, url } = response
  if (status !== 200) throw unexpected(new URL(url).origin, await readAnswer(response))
  if (response.body === null) return
  // A byte order mark is no part of a ledger, so it must be seen.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const splitter = new LineSplitter(maxLedgerLineBytes)
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    const lines = splitter.push(decoder.decode(chunk, { stream: true }))
    if (lines === undefined) throw invalidResponse(url, `a line of more than ${maxLedgerLineBytes} bytes`)
    yield lines
  }
  if (splitter.rest + decoder.decode() !== '') throw invalidResponse(url, 'a ledger that ends in the middle of a line')
}

function sentence({ text, status }: Answer): string {
  return hubWords(parseMembers(text).detail, `status ${status}`)
}

/** Errors for answers that mean the same on every route. */
function unexpected(url: string, answer: Answer): LighthouseError {
  const { status } = answer
  if (status === 429) return new LighthouseError('rate-limited', sentence(answer))
  if (status >= 500) return new LighthouseError('hub-unreachable', `The hub at ${url} is failing: ${sentence(answer)}`)
  return invalidResponse(url, sentence(answer))
}

/** What failed, from the cause where there is one: fetch itself only reports that it did. */
function failureOf(error: unknown): ConnectionFailure {
  const { cause } = error as { readonly cause?: ConnectionFailure | null }
  return cause ?? (error as ConnectionFailure)
}

/**
 * A hub's HTTP routes through `fetch`. Every observable asks once on each subscription, and unsubscribing aborts. An
 * answer has 10 s and 64 KiB, each piece of a ledger 10 s and each line 16 KiB, redirects are not followed, and caches on the way are asked for nothing older. Errors with `hub-unreachable`, `hub-protocol` or
 * `rate-limited`, `register$` with `registration-refused` as well.
 */
export function fetchHubClient(hub: string | URL): HubClient {
  const { origin } = new URL(hub)

  /** Asks, and reads the answer with `selector`; each piece of it has 10 s. */
  function request$<Value>(
    path: string,
    init: Request,
    selector: (response: Response) => ObservableInput<Value>,
  ): Observable<Value> {
    const headers = { ...init.headers, 'cache-control': 'no-cache' }
    return fromFetch(`${origin}${path}`, { ...init, headers, redirect: 'error', selector }).pipe(
      timeout({
        each: answerTimeoutMs,
        with: () =>
          throwError(() => new LighthouseError('hub-unreachable', `The hub at ${origin} did not answer within 10 s.`)),
      }),
      catchError((error: unknown) =>
        throwError(() => {
          const failure = toLighthouseError('hub-unreachable', error)
          // What fails on the network is a TypeError to fetch.
          if (error === failure || (failure.code === 'internal' && (error as Error).name !== 'TypeError'))
            return failure
          const message = `The hub at ${origin} cannot be reached: ${unreachableReason(origin, failureOf(error))}`
          return new LighthouseError('hub-unreachable', message, {}, { cause: error })
        }),
      ),
    )
  }

  const ask$ = (path: string, init: Request = {}): Observable<Answer> => request$(path, init, readAnswer)

  /** The text of a 200 as `parse` reads it; undefined for 404. */
  function lookUp$<Value>(path: string, parse: (text: string) => Value | undefined): Observable<Value | undefined> {
    return ask$(path).pipe(
      map(answer => {
        if (answer.status === 404) return undefined
        if (answer.status !== 200) throw unexpected(origin, answer)
        const value = parse(answer.text)
        if (value === undefined) throw invalidResponse(origin, 'something else')
        return value
      }),
    )
  }

  const health$ = <Value>(read: (answer: Answer, hubKey: string) => Value): Observable<Value> =>
    ask$('/v1/health').pipe(
      map(answer => {
        const { hub_key: hubKey } = parseMembers(answer.text)
        if (isPublicKey(hubKey)) return read(answer, hubKey)
        throw answer.status === 200 ? invalidResponse(origin, 'something else') : unexpected(origin, answer)
      }),
    )

  return {
    resolve$: nickname =>
      lookUp$(`/v1/resolve/${encodeURIComponent(nickname)}`, text => (isPublicKey(text) ? text : undefined)),
    balance$: pubKey => lookUp$(`/v1/coins?pub_key=${encodeURIComponent(pubKey)}`, parseCoins),
    register$: ({ pubKey, nickname, signature, invite }) =>
      ask$('/v1/register', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ pub_key: pubKey, nickname, signature, invite }),
      }).pipe(
        map(answer => {
          if (answer.status === 403) {
            const field = parseMembers(answer.text).code === 'invite-needed' ? { field: 'invite' } : {}
            throw new LighthouseError('registration-refused', sentence(answer), { nickname, ...field })
          }
          if (answer.status === 409) throw new LighthouseError('registration-refused', sentence(answer), { nickname })
          if (answer.status !== 201) throw unexpected(origin, answer)
        }),
      ),
    // A hub that fails has its key all the same.
    health$: () =>
      health$((answer, hubKey) => {
        const { registration } = parseMembers(answer.text)
        return { hubKey, registration: registrationPolicies.find(policy => policy === registration) }
      }),
    head$: () =>
      health$((answer, hubKey) => {
        // While its database cannot be read it has no head to show, which does not make its ledger empty.
        if (answer.status !== 200) throw unexpected(origin, answer)
        const { head } = parseMembers(answer.text)
        const parsed = parseHead(head)
        if (parsed === undefined && head !== undefined && head !== null)
          throw invalidResponse(origin, 'a head that is not one')
        return { hubKey, head: parsed }
      }),
    ledger$: after => request$(`/v1/ledger?after=${after}`, {}, readLines),
  }
}
