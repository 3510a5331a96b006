/** One small request after the other, each on a connection of its own, as a browser's first one is. */
import { connect } from 'node:net'

/** What a small request asks for. */
export const requestBytes = 1024

/** Whom to ask, and whether by HTTP. Default: by a line that a tunnel carries as it is. */
export interface Asked {
  readonly port: number
  readonly http?: boolean
}

/** A request for so many bytes, as the server of the bench understands it. */
export function requestFor({ port, http = false }: Asked, bytes: number): string {
  return http ? `GET /${bytes} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n` : `${bytes}\n`
}

export interface Answered {
  readonly firstByteMs: number
  readonly wholeMs: number
}

export function ask(asked: Asked, since = performance.now()): Promise<Answered> {
  return new Promise((resolve, reject) => {
    let received = 0
    let firstByteMs = 0
    const socket = connect({ host: '127.0.0.1', port: asked.port, noDelay: true })
    socket.on('error', reject)
    let head = asked.http === true ? '' : undefined
    const body = (bytes: Buffer): number => {
      if (head === undefined) return bytes.length
      head += bytes.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return 0
      const { length } = head
      head = undefined
      return length - end - 4
    }
    socket.on('data', bytes => {
      if (firstByteMs === 0) firstByteMs = performance.now() - since
      received += body(bytes)
    })
    socket.on('end', () => {
      if (received === requestBytes) resolve({ firstByteMs, wholeMs: performance.now() - since })
      else reject(new Error(`${received} bytes came instead of ${requestBytes}`))
    })
    socket.write(requestFor(asked, requestBytes))
  })
}

/** Milliseconds of each request that was made within `durationMs`, with a short rest between them. */
export async function latencies(asked: Asked, durationMs: number): Promise<readonly number[]> {
  const restMs = 2
  const milliseconds: number[] = []
  for (const end = performance.now() + durationMs; performance.now() < end;) {
    milliseconds.push((await ask(asked)).wholeMs)
    await new Promise(resolve => setTimeout(resolve, restMs))
  }
  return milliseconds
}
