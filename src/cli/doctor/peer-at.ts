/** What the doctor asks a peer on this machine: the running one, or one that it has started. */
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { createInterface } from 'node:readline'
import { defer, finalize, from, type Observable } from 'rxjs'
import { parseProbeEvent, type PeerFacts, type ProbeEvent } from '../../protocol/doctor/probe.js'
import { parseMembers } from '../../protocol/json.js'
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

const notAnswering = (status: number): CommandFailure =>
  new CommandFailure(
    'not-answering',
    status === 404
      ? 'the running peer is of an earlier version. Stop it and start it again'
      : `the running peer answers with status ${status}`,
  )

/** What that peer has been given. */
export function askFacts$({ url, controlToken }: PeerAt): Observable<PeerFacts> {
  return defer(async () => {
    const signal = AbortSignal.timeout(factsLimitMs)
    const asked = askLocal(new URL('/control/facts', url), { method: 'POST', controlToken, signal })
    const { status, body } = await asked.catch(() => {
      throw new CommandFailure('not-answering', 'the running peer does not answer')
    })
    const facts = parseMembers(body)
    if (status === 200) return facts as unknown as PeerFacts
    throw failureIn(facts) ?? notAnswering(status)
  })
}

async function* probeEvents(
  { url, controlToken }: PeerAt,
  nickname: string,
  signal: AbortSignal,
): AsyncGenerator<ProbeEvent, void> {
  const headers = { accept: 'application/json', 'x-lighthouse-token': controlToken, 'content-length': 0 }
  const options = { method: 'POST', headers, signal, agent: false }
  const asked = request(new URL(`/control/probe/${nickname}`, url), options)
  // Reported through the promises below; without a listener an abort in mid-body would end the process.
  asked.on('error', () => undefined)
  asked.end()
  const [response] = (await once(asked, 'response', { signal })) as [IncomingMessage]
  let rest = ''
  for await (const line of createInterface({ input: response })) {
    const event = parseProbeEvent(parseMembers(line))
    if (event === undefined) rest += line
    else yield event
  }
  if (response.statusCode !== 200) throw failureIn(parseMembers(rest)) ?? notAnswering(response.statusCode ?? 0)
}

/** How that peer connects to another one. Unsubscribing ends the attempt. */
export function askProbe$(at: PeerAt, nickname: string): Observable<ProbeEvent> {
  return defer(() => {
    const abort = new AbortController()
    return from(probeEvents(at, nickname, abort.signal)).pipe(finalize(() => abort.abort()))
  })
}
