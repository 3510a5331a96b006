/** What the doctor asks a peer on this machine: the running one, or one that it has started. */
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { defer, finalize, from, type Observable } from 'rxjs'
import { parseProbeEvent, type PeerFacts, type ProbeEvent } from '../../protocol/doctor/probe.js'
import { parseMembers } from '../../protocol/json.js'
import { LineSplitter } from '../../protocol/line-splitter.js'
import { askLocal } from '../ask-local.js'
import { failureIn } from '../control.js'
import { CommandFailure } from '../failure.js'

/** Where a peer listens, and the token that it wants. */
export interface PeerAt {
  readonly url: string
  readonly controlToken: string
}

/** It waits for its sign-in, 4 s at the most. */
const factsLimitMs = 5_000

/** A connection has 20 s, what comes then 5 s, and the wallet may be asked for before. */
const probeLimitMs = 30_000

/** An event has some hundred characters. */
const maxLineLength = 16_384

const notAnswering = (status: number): CommandFailure =>
  new CommandFailure(
    'not-answering',
    status === 404
      ? 'the running peer is of an earlier version. Stop it and start it again'
      : `the running peer answers with status ${status}`,
  )

const silent = (): CommandFailure => new CommandFailure('not-answering', 'the running peer does not answer')

/** What that peer has been given. */
export function askFacts$({ url, controlToken }: PeerAt): Observable<PeerFacts> {
  return defer(async () => {
    const signal = AbortSignal.timeout(factsLimitMs)
    const asked = askLocal(new URL('/control/facts', url), { method: 'POST', controlToken, signal })
    const { status, body } = await asked.catch(() => {
      throw silent()
    })
    const facts = parseMembers(body)
    if (status === 200) return facts as unknown as PeerFacts
    throw failureIn(facts) ?? notAnswering(status)
  })
}

async function* probeEvents(
  { url, controlToken }: PeerAt,
  nickname: string,
  left: AbortSignal,
): AsyncGenerator<ProbeEvent, void> {
  const signal = AbortSignal.any([left, AbortSignal.timeout(probeLimitMs)])
  const headers = { accept: 'application/json', 'x-lighthouse-token': controlToken, 'content-length': 0 }
  const options = { method: 'POST', headers, signal, agent: false }
  const asked = request(new URL(`/control/probe/${nickname}`, url), options)
  // Reported below; without a listener the end of that peer would end this process.
  asked.on('error', () => undefined)
  asked.end()
  const [response] = (await once(asked, 'response').catch(() => {
    throw silent()
  })) as [IncomingMessage]
  response.on('error', () => undefined)
  if (response.statusCode !== 200) {
    throw failureIn(parseMembers(await text(response).catch(() => ''))) ?? notAnswering(response.statusCode ?? 0)
  }
  const splitter = new LineSplitter(maxLineLength)
  response.setEncoding('utf8')
  try {
    for await (const piece of response as AsyncIterable<string>) {
      for (const line of splitter.push(piece) ?? []) {
        const event = parseProbeEvent(parseMembers(line))
        if (event !== undefined) yield event
      }
    }
  } catch {
    throw silent()
  }
}

/** How that peer connects to another one. Unsubscribing ends the attempt. */
export function askProbe$(at: PeerAt, nickname: string): Observable<ProbeEvent> {
  return defer(() => {
    const abort = new AbortController()
    return from(probeEvents(at, nickname, abort.signal)).pipe(finalize(() => abort.abort()))
  })
}
