/** The programs at both ends of a tunnel: a server that sends as many bytes as it is asked for, and clients that read. */
import { createHash, type Hash } from 'node:crypto'
import { connect, createServer, type NetConnectOpts, type Socket } from 'node:net'
import { type Asked, requestFor } from './probe.js'
import { answerCalls } from './rpc.js'

/** No power of two, so that blocks that change places do not go unnoticed. */
const blockBytes = 262_147

/** Read and written in such pieces, the size of the system's own. */
const pieceBytes = 64 * 1024

const block = Buffer.alloc(blockBytes)
for (let index = 0, value = 1; index < blockBytes; index++) {
  value = (value * 1_103_515_245 + 12_345) & 0x7fffffff
  block[index] = value >>> 16
}

function pieceAt(offset: number, most: number): Buffer {
  const at = offset % blockBytes
  return block.subarray(at, Math.min(at + Math.min(pieceBytes, most), blockBytes))
}

/** The request is a line with the number of bytes, or one of HTTP with the number as its path; the answer ends with the connection. */
function serve(socket: Socket): void {
  socket.setNoDelay(true)
  // A client that has read enough hangs up, which is no failure here.
  socket.on('error', () => socket.destroy())
  socket.once('data', request => {
    const text = request.toString()
    const path = /^GET \/(\d+) /.exec(text)?.[1]
    const wanted = Number(path ?? text)
    if (path !== undefined) socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path}\r\nConnection: close\r\n\r\n`)
    let sent = 0
    const send = (): void => {
      while (sent < wanted && !socket.destroyed) {
        const piece = pieceAt(sent, wanted - sent)
        sent += piece.length
        if (!socket.write(piece)) return void socket.once('drain', send)
      }
      socket.end()
    }
    send()
  })
}

interface Client {
  readonly socket: Socket
  received: number
  ended: boolean
}

/** Reads into one buffer, so that the client costs as little as it can. */
function request(asked: Asked, bytes: number, onBytes?: (piece: Uint8Array) => void): Client {
  const buffer = Buffer.alloc(pieceBytes)
  const client = { received: 0, ended: false } as { -readonly [Key in keyof Client]: Client[Key] }
  client.socket = connect({
    host: '127.0.0.1',
    port: asked.port,
    noDelay: true,
    onread: {
      buffer,
      callback: (count: number): boolean => {
        client.received += count
        onBytes?.(buffer.subarray(0, count))
        return true
      },
    },
  } as NetConnectOpts)
  client.socket.on('error', error => process.stderr.write(`client: ${error.message}\n`))
  client.socket.on('end', () => (client.ended = true))
  client.socket.resume()
  client.socket.write(requestFor(asked, bytes))
  return client
}

const clients = new Map<number, Client & { readonly hash: Hash | undefined }>()
let lastClient = 0

function expectedHash(bytes: number): string {
  const hash = createHash('sha256')
  for (let offset = 0; offset < bytes;) {
    const piece = pieceAt(offset, bytes - offset)
    hash.update(piece)
    offset += piece.length
  }
  return hash.digest('hex')
}

answerCalls({
  listen: (): Promise<number> =>
    new Promise((resolve, reject) => {
      const server = createServer(serve)
      server.once('error', reject)
      server.listen({ host: '127.0.0.1', port: 0 }, () => {
        const address = server.address()
        if (typeof address === 'object' && address !== null) resolve(address.port)
      })
    }),
  open: ({ bytes, hashed = false, ...asked }: Asked & { bytes: number; hashed?: boolean }): number => {
    const hash = hashed ? createHash('sha256') : undefined
    const client = request(asked, bytes, hash && (piece => hash.update(piece)))
    clients.set(++lastClient, Object.assign(client, { hash }))
    return lastClient
  },
  received: (ids: readonly number[]) => ({
    each: ids.map(id => clients.get(id)!.received),
    at: performance.now(),
  }),
  pause: (id: number) => void clients.get(id)!.socket.pause(),
  resume: (id: number) => void clients.get(id)!.socket.resume(),
  /** Whether what was read is what was asked for, byte for byte; undefined while it is still coming. */
  verify: ({ id, bytes }: { id: number; bytes: number }): boolean | undefined => {
    const { received, ended, hash } = clients.get(id)!
    if (!ended) return undefined
    return received === bytes && hash!.digest('hex') === expectedHash(bytes)
  },
  close: (ids: readonly number[]) => {
    for (const id of ids) {
      clients.get(id)!.socket.destroy()
      clients.delete(id)
    }
  },
})
