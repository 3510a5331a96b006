/** What becomes of a connection that a tunnel accepted: its first bytes decide. */
import type { Socket } from 'node:net'
import type { ByteSocket } from '../../ports.js'
import { judgeFirstBytes } from '../../protocol/http/first-bytes.js'
import { byteSocket } from '../tcp/byte-socket.node.js'
import { streamFor } from './virtual-stream.node.js'

/**
 * How long a program may say nothing, or not enough to tell, before it is connected: it may be one that listens first. Whoever
 * asks by HTTP says so in its first packet.
 */
const silenceMs = 200

/** A fatal alert of TLS, `unrecognized_name`: RFC 8446, section 6.2. */
const unrecognizedName = Uint8Array.of(21, 3, 3, 0, 2, 2, 112)

/** Where connections go. */
export interface Ways {
  /** Whether a TLS client that asks for this name means this address. Others are turned away. */
  readonly isOwnName: (name: string) => boolean
  /** One on which HTTP is spoken; its bytes are all still to be read. */
  readonly http: (socket: Socket) => void
  /** One to be carried as it is. */
  readonly carry: (socket: ByteSocket) => void
}

/**
 * Reads until the first bytes say what is spoken, and calls back with that and with all that was read. Those that do not say are
 * waited for until `silenceMs` after the first of them; when none come, `isPatient` waits for the first without end, and else that
 * is `silent` after the same time. Not called when the connection closes before, or is turned away.
 */
function readFirst(
  socket: Socket,
  { isOwnName, isPatient }: { readonly isOwnName: Ways['isOwnName']; readonly isPatient: boolean },
  decided: (verdict: 'http' | 'other' | 'silent', head: Buffer) => void,
): void {
  let head = Buffer.alloc(0)
  let limit: NodeJS.Timeout | undefined
  const stop = (): void => {
    clearTimeout(limit)
    socket.off('data', onData).off('end', onEnd).off('close', stop).off('error', stop)
  }
  const settle = (verdict: 'http' | 'other' | 'foreign' | 'silent'): void => {
    stop()
    socket.pause()
    if (verdict !== 'foreign') return decided(verdict, head)
    socket.write(unrecognizedName)
    socket.destroySoon()
  }
  const wait = (): void => {
    limit ??= setTimeout(() => settle(head.length > 0 ? 'other' : 'silent'), silenceMs)
  }
  const onData = (bytes: Buffer): void => {
    head = Buffer.concat([head, bytes])
    const verdict = judgeFirstBytes(head, isOwnName)
    if (verdict === 'undecided') wait()
    else settle(verdict)
  }
  const onEnd = (): void => settle('other')
  if (!isPatient) wait()
  socket.on('data', onData).on('end', onEnd).on('close', stop).on('error', stop)
  socket.resume()
}

/**
 * Connects a program that says nothing: the other side may speak first, as mail servers and databases do. A browser that
 * opens a connection before it needs it looks the same, so what it says first still decides, unless the other side has spoken.
 */
function carrySilent(socket: Socket, { isOwnName, http, carry }: Ways): void {
  const { stream, part } = streamFor(socket)
  let answered = false
  stream.once('data', () => {
    answered = true
  })
  stream.pipe(socket)
  carry(stream.socket)
  readFirst(socket, { isOwnName, isPatient: true }, (verdict, head) => {
    if (verdict !== 'http') {
      if (head.length > 0) stream.write(head)
      if (socket.readableEnded) stream.end()
      else socket.pipe(stream)
      return
    }
    // No page is to speak to whoever spoke first.
    if (answered) return void socket.resetAndDestroy()
    part()
    socket.unshift(head)
    http(socket)
  })
}

/** Sends an accepted connection on its way. Held: what is read until that is clear, 16 KiB at most and one read more. */
export function route(socket: Socket, ways: Ways): void {
  readFirst(socket, { isOwnName: ways.isOwnName, isPatient: false }, (verdict, head) => {
    if (verdict === 'silent') return carrySilent(socket, ways)
    if (verdict === 'other') return ways.carry(byteSocket(socket, head))
    socket.unshift(head)
    ways.http(socket)
  })
}
