import type { IncomingMessage, ServerResponse } from 'node:http'

/** Requests that may wait behind one of the same connection. Nobody sends so many ahead but who wants to do harm. */
const maxWaiting = 128

type Serve = (request: IncomingMessage, response: ServerResponse) => void
type Exchange = readonly [IncomingMessage, ServerResponse]

/**
 * Serves the requests of each connection one at a time and in turn with everything else: a packet may hold a thousand, and the parser
 * hands them over at once. A connection with more than 128 that wait is cut off.
 */
export function requestTurns(serve: Serve): Serve {
  const waitingOf = new WeakMap<object, Exchange[]>()
  const next = (socket: object, waiting: Exchange[]): void => {
    setImmediate(() => {
      const [request, response] = waiting[0]!
      if (request.socket.destroyed) return
      response.once('close', () => {
        waiting.shift()
        if (waiting.length > 0) next(socket, waiting)
        else waitingOf.delete(socket)
      })
      serve(request, response)
    })
  }
  return (request, response) => {
    const { socket } = request
    const waiting = waitingOf.get(socket)
    if (waiting === undefined) {
      const first: Exchange[] = [[request, response]]
      waitingOf.set(socket, first)
      next(socket, first)
    } else if (waiting.length > maxWaiting) socket.destroy()
    else waiting.push([request, response])
  }
}
