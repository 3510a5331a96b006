import type { Socket } from 'node:net'
import { Observable, Subject } from 'rxjs'
import type { ByteChannel } from '../../../src/ports.js'
import { LighthouseError } from '../../../src/protocol/errors.js'

/** A TCP connection as the channel of a session. The socket must be paused. */
export function tcpChannel(socket: Socket): ByteChannel {
  const drained$ = new Subject<number>()
  const message$ = new Observable<Uint8Array>(subscriber => {
    socket.on('data', bytes => subscriber.next(bytes))
    socket.on('error', cause => {
      subscriber.error(new LighthouseError('channel-closed', 'the TCP connection broke', {}, { cause }))
    })
    socket.on('close', () => subscriber.complete())
    socket.resume()
    return () => socket.destroy()
  })
  return {
    maxMessageBytes: 65_536,
    highWaterBytes: 512 * 1024,
    message$,
    drained$,
    send: message => {
      socket.write(message, error => {
        if (!error) drained$.next(message.length)
      })
    },
  }
}
