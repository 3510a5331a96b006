import type { Socket } from 'node:net'
import { Observable, type Subscriber } from 'rxjs'
import type { ByteChannel } from '../../../src/ports.js'
import { LighthouseError, toLighthouseError } from '../../../src/protocol/errors.js'

/** A TCP connection as a channel: what a session could run over where both ends can be reached. */
export function tcpChannel(socket: Socket): ByteChannel {
  let drained: Subscriber<number> | undefined
  socket.pause()
  return {
    maxMessageBytes: 256 * 1024,
    highWaterBytes: 512 * 1024,
    message$: new Observable<Uint8Array>(subscriber => {
      const onData = (bytes: Uint8Array): void => subscriber.next(bytes)
      const onEnd = (): void => subscriber.complete()
      const onError = (error: Error): void => subscriber.error(toLighthouseError('channel-closed', error))
      socket.on('data', onData).on('end', onEnd).on('close', onEnd).on('error', onError).resume()
      subscriber.add(() => socket.off('data', onData).off('end', onEnd).off('close', onEnd).off('error', onError))
    }),
    drained$: new Observable<number>(subscriber => {
      drained = subscriber
    }),
    send(message) {
      if (!socket.writable) throw new LighthouseError('channel-closed', 'the TCP connection is closed')
      socket.write(message, error => {
        if (!error) drained?.next(message.length)
      })
    },
  }
}
