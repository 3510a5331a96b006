import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Observable } from 'rxjs'
import { LighthouseError } from '../../protocol/errors.js'

/** A request's headers and body are small; who needs longer than this holds a connection for nothing. */
const requestTimeoutMs = 30_000

function listenError(error: NodeJS.ErrnoException, host: string, port: number): LighthouseError {
  const options = { cause: error }
  switch (error.code) {
    case 'EADDRINUSE':
      return new LighthouseError(
        'port-in-use',
        `Port ${port} of ${host} is taken. Stop the program that uses it, or choose another with --port.`,
        { port },
        options,
      )
    case 'EACCES':
      return new LighthouseError(
        'invalid-option',
        `"port" ${port} needs rights that this user has not. Choose one from 1024.`,
        { field: 'port', port },
        options,
      )
    // Comes and goes by itself, so that whoever starts the hub again later is right.
    case 'EADDRNOTAVAIL':
      return new LighthouseError(
        'address-unavailable',
        `"host" ${host} is no address of this machine, or not yet. Use one that is, or wait until its interface is up.`,
        { field: 'host' },
        options,
      )
    default:
      return new LighthouseError(
        'invalid-option',
        `"host" ${host} cannot be listened on: ${error.message}. Use an address of this machine.`,
        { field: 'host' },
        options,
      )
  }
}

/** A server that is listening, and where. */
export interface HttpListening {
  readonly server: Server
  readonly port: number
  readonly address: string
}

/**
 * Opens an HTTP server on subscription and emits it once it is bound. Whatever serves requests is attached by whoever
 * subscribes. Unsubscribing frees the port at once and cuts every connection, upgraded ones included. Errors with
 * `port-in-use`, `address-unavailable` for an address that is not this machine's, or `invalid-option`.
 */
export function listen$({ host, port }: { readonly host: string; readonly port: number }): Observable<HttpListening> {
  return new Observable(subscriber => {
    const server = createServer({ requestTimeout: requestTimeoutMs })
    const sockets = new Set<Socket>()
    server.on('connection', socket => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    })
    server.on('error', (error: NodeJS.ErrnoException) => subscriber.error(listenError(error, host, port)))
    server.listen({ host, port, exclusive: true }, () => {
      const { port, address } = server.address() as AddressInfo
      subscriber.next({ server, port, address })
    })
    return () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    }
  })
}
