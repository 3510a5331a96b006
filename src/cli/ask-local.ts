import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'

/** What a process of this machine answered. */
export interface LocalReply {
  readonly status: number
  readonly body: string
  readonly location: string | undefined
}

/**
 * Asks a peer or a hub of this machine. Plain HTTP/1.1: `fetch` refuses some ports that these may well have, and sends headers of
 * a browser. Rejects with what the connection fails with, or as `signal` aborts.
 */
export async function askLocal(
  url: URL,
  asked: { readonly method: 'GET' | 'POST'; readonly controlToken: string; readonly signal: AbortSignal },
): Promise<LocalReply> {
  const { method, controlToken, signal } = asked
  const headers = { accept: 'application/json', 'x-lighthouse-token': controlToken, 'content-length': 0 }
  const sent = request(url, { method, headers, signal, agent: false })
  // Reported through the promises below; without a listener an abort in mid-body would end the process.
  sent.on('error', () => undefined)
  sent.end()
  const [response] = (await once(sent, 'response', { signal })) as [IncomingMessage]
  const { statusCode: status = 0, headers: answered } = response
  return { status, body: await text(response), location: answered.location }
}
