/** What a program on a host of the lab sees: fetches what it is told to, and says what it got and how long that took. */
import { open, receive } from '../../support/transfer.node.js'

export interface Fetched {
  readonly status: number
  readonly bytes: number
  readonly sha256: string
  /** The body, where it is short. */
  readonly text: string
  /** Until the head of the answer, and until its end, in milliseconds. */
  readonly headMs: number
  readonly totalMs: number
}

async function fetched(url: string): Promise<Fetched> {
  const startedAt = performance.now()
  const opened = await open(url, { headers: { accept: 'application/json' } })
  const headMs = performance.now() - startedAt
  const pieces: Buffer[] = []
  if (Number(opened.headers['content-length'] ?? 0) < 100_000)
    opened.message.on('data', piece => pieces.push(piece as Buffer))
  const { bytes, sha256 } = await receive(opened)
  const totalMs = performance.now() - startedAt
  return { status: opened.status, bytes, sha256, text: Buffer.concat(pieces).toString(), headMs, totalMs }
}

process.on('message', (url: string) => {
  void fetched(url).then(
    answer => process.send!(answer),
    (error: unknown) => process.send!({ error: String(error) }),
  )
})
process.on('disconnect', () => process.exit())
