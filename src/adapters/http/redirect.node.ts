import type { IncomingMessage, ServerResponse } from 'node:http'
import { leaveBodyUnread } from './unread-body.node.js'

/** Sends a request on to another address, with its method and body. Nobody keeps that. */
export function redirect(req: IncomingMessage, res: ServerResponse, location: string): void {
  leaveBodyUnread(req, res)
  res.writeHead(req.method === 'GET' || req.method === 'HEAD' ? 302 : 307, {
    Location: location,
    'Cache-Control': 'no-store',
    'Content-Length': 0,
  })
  res.end()
}
