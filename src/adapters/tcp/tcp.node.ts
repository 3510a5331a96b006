import type { Socket } from 'node:net'
import { map } from 'rxjs'
import type { TcpPort } from '../../ports.js'
import { accept$ } from './accept.node.js'
import { byteSocket } from './byte-socket.node.js'
import { followLocalPort, markOwn } from './local-user.node.js'
import { PatientSocket } from './patient-socket.node.js'

/** Read at once from a dialled connection, into memory that all of them share: a paused one holds nothing. */
const readBuffer = new Uint8Array(65_536)

/**
 * Loopback TCP by node:net: exclusive binds, no delay, half-open sockets. Connections of other users of this machine are
 * reset, and so are those that were closed before it was known whose they are.
 *
 * @example
 * import { nodeTcp } from 'lighthouse-peer/mux/tcp'
 * import { filter, mergeMap, take } from 'rxjs'
 *
 * // Emits its port, then every connection; here one that it makes itself.
 * nodeTcp
 *   .listen$({ host: '127.0.0.1', port: 0 })
 *   .pipe(
 *     mergeMap(event => (event.type === 'socket' ? event.socket.event$ : dialled(event.port).event$)),
 *     filter(event => event.type === 'chunk'),
 *     take(1),
 *   )
 *   .subscribe(({ bytes }) => console.log(new TextDecoder().decode(bytes)))
 *
 * function dialled(port: number): ReturnType<typeof nodeTcp.dial> {
 *   const socket = nodeTcp.dial({ host: '127.0.0.1', port })
 *   socket.write(new TextEncoder().encode('hello'))
 *   return socket
 * }
 * // → hello
 */
export const nodeTcp: TcpPort = {
  listen$: options =>
    accept$(options).pipe(
      map(event => (event.type === 'accepted' ? { type: 'socket', socket: byteSocket(event.socket) } : event)),
    ),
  dial({ host, port, onLocalPort }) {
    const onread = {
      buffer: readBuffer,
      callback(bytes: number) {
        const chunk = Buffer.allocUnsafeSlow(bytes)
        chunk.set(readBuffer.subarray(0, bytes))
        return socket.emit('data', chunk)
      },
    }
    const options = { host, port, allowHalfOpen: true, noDelay: true, onread }
    const socket: Socket = new PatientSocket(options).connect(options)
    // Until somebody subscribes: the system keeps what arrives before.
    socket.pause()
    markOwn(socket)
    if (onLocalPort !== undefined) followLocalPort(socket, onLocalPort)
    return byteSocket(socket)
  },
}
