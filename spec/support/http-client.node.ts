import { type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import { markOwn } from '../../src/adapters/tcp/local-user.node.js'

/** An HTTP answer, whole. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly text: string
}

/** What to ask. `path` goes on the wire as it is. A header may have several values. */
export interface Question {
  readonly port: number
  readonly path?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
}

/** Asks on a connection of its own. Rejects when the connection breaks before the answer is whole. */
export function ask({ port, path = '/', method = 'GET', headers = {} }: Question): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value as string]))
    const sent = request({ host: '127.0.0.1', port, path, method, headers: outgoing, agent: false }, res => {
      const chunks: Buffer[] = []
      res.on('data', (chunk: Buffer) => chunks.push(chunk))
      res.on('error', reject)
      res.on('end', () => {
        const body = Buffer.concat(chunks)
        resolve({ status: res.statusCode ?? 0, headers: res.headers, body, text: body.toString() })
      })
    })
    sent.on('error', reject)
    // Thousands of these connections in a row would each have the kernel's table read.
    sent.on('socket', markOwn)
    sent.end()
  })
}

/** Writes raw bytes to a connection and returns all that comes back until the other side closes it. */
export function exchangeRaw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    markOwn(socket)
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
  })
}
