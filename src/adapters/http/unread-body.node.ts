import type { IncomingMessage, ServerResponse } from 'node:http'

/** A request body up to this size is read and thrown away, so that the client's connection stays usable. */
const drainedBodyBytes = 65_536

/**
 * How long a client that goes on sending may do so after its answer, before the connection is closed. On loopback that
 * is some gigabytes; who reads while it sends stops at once.
 */
const lingerMs = 10_000

/**
 * Answers that come before the request's body, or without it: to be called before the headers are sent. A large body, one
 * of unknown length and one that waits for `100 Continue` end the connection after the answer: reading a film only to
 * drop it would help nobody.
 *
 * The connection is then closed as RFC 9112 (section 9.6) has it: the answer, the end, and what still comes is thrown
 * away until the client has ended as well. Closing at once would reset the connection, and with it goes an answer that
 * the client has not read yet.
 */
export function leaveBodyUnread(req: IncomingMessage, res: ServerResponse): void {
  if (req.complete || res.headersSent) return
  const { expect, 'transfer-encoding': coding, 'content-length': length = '0' } = req.headers
  if (expect !== undefined || coding !== undefined || Number(length) > drainedBodyBytes) {
    res.setHeader('Connection', 'close')
  }
  // Before Node's own listener, which closes the connection by destroySoon().
  res.prependOnceListener('finish', () => {
    if (req.complete) return
    closeGently(req)
    req.unpipe().resume()
  })
}

function closeGently(req: IncomingMessage): void {
  const { socket } = req
  socket.destroySoon = () => {
    const close = (): void => void socket.destroy()
    socket.end(() => req.complete && close())
    if (req.complete) return
    const limit = setTimeout(close, lingerMs)
    socket.once('close', () => clearTimeout(limit))
    req.once('end', close)
  }
}
