/** One small request after the other, each on a connection of its own, as a browser's first one is. */
import { connect } from 'node:net'

/** What a small request asks for. */
export const requestBytes = 1024

export interface Answered {
  readonly firstByteMs: number
  readonly wholeMs: number
}

export function ask(port: number, since = performance.now()): Promise<Answered> {
  return new Promise((resolve, reject) => {
    let received = 0
    let firstByteMs = 0
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    socket.on('error', reject)
    socket.on('data', bytes => {
      if (received === 0) firstByteMs = performance.now() - since
      received += bytes.length
    })
    socket.on('end', () => {
      if (received === requestBytes) resolve({ firstByteMs, wholeMs: performance.now() - since })
      else reject(new Error(`${received} bytes came instead of ${requestBytes}`))
    })
    socket.write(`${requestBytes}\n`)
  })
}

/** Milliseconds of each request that was made within `durationMs`, with a short rest between them. */
export async function latencies(port: number, durationMs: number): Promise<readonly number[]> {
  const restMs = 2
  const milliseconds: number[] = []
  for (const end = performance.now() + durationMs; performance.now() < end;) {
    milliseconds.push((await ask(port)).wholeMs)
    await new Promise(resolve => setTimeout(resolve, restMs))
  }
  return milliseconds
}
