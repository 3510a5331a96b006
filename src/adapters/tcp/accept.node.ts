import { createServer, type Socket } from 'node:net'
import { Observable } from 'rxjs'
import { listenError } from './listen-error.js'
import { localUser$ } from './local-user.node.js'

/**
 * Connections of one listener at a time; one more is closed as it is accepted. Twice what a peer's connection has streams, so
 * that as many can wait, unread, as are served.
 */
const maxConnections = 512

/**
 * Listens on loopback: exclusive binds, no delay, half-open sockets. Emits the port once it is bound, and then connections,
 * paused. Those of other users of this machine are reset, and so are those that were closed before it was known whose they are.
 * Unsubscribing closes it, and resets those of whom that is not known yet. Errors as `listenError` says.
 */
export function accept$({
  port,
  host,
}: {
  readonly port: number
  readonly host: string
}): Observable<
  { readonly type: 'listening'; readonly port: number } | { readonly type: 'accepted'; readonly socket: Socket }
> {
  return new Observable(subscriber => {
    /** Accepted, and not yet known whose they are. */
    const unknown = new Set<Socket>()
    const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
      unknown.add(socket)
      const broken = (): void => void unknown.delete(socket)
      socket.on('error', broken)
      localUser$(socket).subscribe(user => {
        if (!unknown.delete(socket)) return
        socket.off('error', broken)
        if (user === 'other' || user === 'gone') socket.resetAndDestroy()
        else subscriber.next({ type: 'accepted', socket })
      })
    })
    server.maxConnections = maxConnections
    server.on('error', (cause: NodeJS.ErrnoException) => {
      // It still listens: an accept that failed, with no file handles left for example, costs that one connection.
      if (!server.listening) subscriber.error(listenError(cause, host, port))
    })
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address()
      if (typeof address === 'object' && address !== null) subscriber.next({ type: 'listening', port: address.port })
    })
    subscriber.add(() => {
      server.close()
      for (const socket of unknown) socket.resetAndDestroy()
      unknown.clear()
    })
  })
}
