import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Problem, sendProblem } from './problem.node.js'

/**
 * An HTTP answer on the raw socket of an upgrade request, which Node leaves without one. The socket is closed once the
 * answer is written.
 */
export function upgradeResponse(req: IncomingMessage, socket: Duplex): ServerResponse {
  const res = new ServerResponse(req)
  res.shouldKeepAlive = false
  res.setHeader('X-Content-Type-Options', 'nosniff')
  // Node's own HTTP server does the same with what it calls a Socket here and treats as any duplex stream.
  res.assignSocket(socket as Parameters<ServerResponse['assignSocket']>[0])
  res.once('finish', () => socket.end(() => socket.destroy()))
  socket.once('close', () => res.destroy())
  return res
}

/** Answers an upgrade request with an error and closes its socket. */
export function sendUpgradeProblem(req: IncomingMessage, socket: Duplex, problem: Problem): void {
  if (socket.writable) sendProblem(req, upgradeResponse(req, socket), problem)
}
