import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Observable } from 'rxjs'
import { LighthouseError } from '../../../protocol/errors.js'
import type { ConnectionPlaces } from '../../protocol/limits/connection-places.js'
import { requestTurns } from './request-turns.js'

/** A request's headers are one packet, or two; from the connection on, or from the end of the request before. */
const headersTimeoutMs = 10_000

/** With the body, which is small. */
const requestTimeoutMs = 30_000

/** How often the two above are looked at. */
const checkIntervalMs = 2_000

/** Who takes nothing of an answer for so long is cut off. An answer to long polling comes sooner, and WebSockets have pings. */
const idleTimeoutMs = 60_000

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
  /** Gets the requests and upgrades, and listens to nothing itself. */
  readonly server: Server
  readonly port: number
  readonly address: string
}

/** Where to listen, and who gets a place. */
export interface ListenOptions {
  readonly host: string
  readonly port: number
  readonly places: ConnectionPlaces<Socket>
  /** Where a connection comes from; undefined for a proxy in front. */
  readonly addressOf: (socket: Socket) => string | undefined
  /** A connection was given up for another one. */
  readonly onGivenUp: () => void
}

/** Hands a server's requests and upgrades to another one, and keeps account of who is being answered. */
function passOn(server: Server, to: Server, places: ConnectionPlaces<Socket>): void {
  const serve = requestTurns((request, response) => {
    places.use(request.socket, 'busy')
    response.once('close', () => places.use(request.socket, 'idle'))
    to.emit('request', request, response)
  })
  server.on('request', serve)
  server.on('upgrade', (request, socket, head) => {
    places.use(request.socket, 'busy')
    if (!to.emit('upgrade', request, socket, head)) socket.destroy()
  })
}

/**
 * Opens an HTTP server on subscription and emits it once it is bound. Whatever serves requests is attached by whoever
 * subscribes. Unsubscribing frees the port at once and cuts every connection, upgraded ones included. Errors with
 * `port-in-use`, `address-unavailable` for an address that is not this machine's, or `invalid-option`.
 *
 * Each connection takes a place, and where there are too many one gives up its own. A connection that does not ask within 10 s is
 * cut off, and one whose answer is not taken after 60 s. Requests of one connection are served one after the other, in turn
 * with those of others.
 */
export function listen$({ host, port, places, addressOf, onGivenUp }: ListenOptions): Observable<HttpListening> {
  return new Observable(subscriber => {
    const server = createServer({
      requestTimeout: requestTimeoutMs,
      headersTimeout: headersTimeoutMs,
      connectionsCheckingInterval: checkIntervalMs,
    })
    server.setTimeout(idleTimeoutMs)
    const attached = createServer()
    passOn(server, attached, places)
    const sockets = new Set<Socket>()
    server.on('connection', socket => {
      sockets.add(socket)
      socket.once('close', () => {
        sockets.delete(socket)
        places.leave(socket)
      })
      const given = places.enter(socket, addressOf(socket))
      if (given === undefined) return
      given.destroy()
      onGivenUp()
    })
    server.on('error', (error: NodeJS.ErrnoException) => subscriber.error(listenError(error, host, port)))
    server.listen({ host, port, exclusive: true }, () => {
      const { port: bound, address } = server.address() as AddressInfo
      subscriber.next({ server: attached, port: bound, address })
    })
    return () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    }
  })
}
