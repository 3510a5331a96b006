/** A file on a machine whose HTTP server a test holds in the middle of its first answer, and that serves ranges. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { patternBytes } from '../../support/pattern.js'

export interface HeldFile {
  /** What a peer shares. */
  readonly address: string
  readonly size: number
  readonly sha256: string
  /** How much of the first answer is sent, which ends only with its connection. Every later answer is whole. */
  readonly held: number
  /** What requests asked for, from which byte on. */
  readonly ranges: readonly (string | undefined)[]
  close(): void
}

const etag = '"one"'

export async function heldFile(): Promise<HeldFile> {
  const parts = Array.from({ length: 8 }, (_, index) => patternBytes(1, index * 1_000_000, 1_000_000))
  const body = Buffer.concat(parts)
  const held = body.length / 2
  const ranges: (string | undefined)[] = []
  const server = createServer(({ headers }, response) => {
    const range = headers['if-range'] === etag ? headers.range : undefined
    ranges.push(range)
    response.setHeader('etag', etag)
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0)
    response.setHeader('content-length', body.length - from)
    if (from > 0) response.writeHead(206, { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` })
    if (ranges.length === 1) response.write(body.subarray(0, held))
    else response.end(body.subarray(from))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    size: body.length,
    sha256: createHash('sha256').update(body).digest('hex'),
    held,
    ranges,
    close: () => void server.close().closeAllConnections(),
  }
}
