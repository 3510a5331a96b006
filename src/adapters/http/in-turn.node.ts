import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** A connection with more requests waiting is not read from. */
const maxWaitingOfConnection = 8

/** Requests that wait in all, some 5 KB each. One read of 64 KiB may bring 1,500 to a connection. */
const maxWaiting = 4_096

/** The requests of one connection. */
interface Line {
  busy: boolean
  readonly waiting: (() => void)[]
}

/**
 * Answers the requests of a connection one after the other, however many were sent at once (pipelining, RFC 9112 section
 * 9.3.2): the answers leave in this order anyway, and a thousand requests in one packet do not open a thousand files. A
 * connection is not read from while more than 8 of its requests wait. Where 4,096 wait in all, one that brings more is
 * closed. Requests on a connection that is being closed are ignored.
 */
export function inTurn(listener: RequestListener): RequestListener {
  const lines = new WeakMap<Socket, Line>()
  let waitingInAll = 0

  const lineOf = (socket: Socket): Line => {
    const known = lines.get(socket)
    if (known !== undefined) return known
    const line: Line = { busy: false, waiting: [] }
    lines.set(socket, line)
    // Node itself reads on after every request.
    socket.on('resume', () => {
      if (line.waiting.length > maxWaitingOfConnection) socket.pause()
    })
    socket.once('close', () => (waitingInAll -= line.waiting.splice(0).length))
    return line
  }

  const answer = (line: Line, req: IncomingMessage, res: ServerResponse & { req: IncomingMessage }): void => {
    const { socket } = req
    line.busy = true
    res.once('close', () => {
      const next = line.waiting.shift()
      line.busy = next !== undefined
      if (next === undefined) return
      waitingInAll -= 1
      if (line.waiting.length === maxWaitingOfConnection) socket.resume()
      if (!socket.destroyed) next()
    })
    listener(req, res)
  }

  return (req, res) => {
    const { socket } = req
    if (socket.writableEnded) return
    const line = lineOf(socket)
    if (!line.busy) return answer(line, req, res)
    if (waitingInAll >= maxWaiting) return void socket.destroy()
    waitingInAll += 1
    line.waiting.push(() => answer(line, req, res))
    if (line.waiting.length > maxWaitingOfConnection) socket.pause()
  }
}
