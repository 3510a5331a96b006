import { Observable } from 'rxjs'
import type SimplePeer from 'simple-peer'
import type { ByteChannel } from '../../ports.js'
import { toLighthouseError, wrapError } from '../../protocol/errors.js'
import { maxMessageBytes } from './data-channel.js'
import { drainOf } from './drain.js'

/** The data channel of a peer, for as long as that lives. */
export function channelOf(peer: SimplePeer.Instance, highWaterBytes: number): ByteChannel {
  const drain = drainOf(() => peer.bufferSize, highWaterBytes)
  return {
    maxMessageBytes,
    highWaterBytes,
    drained$: drain.drained$,
    message$: new Observable(subscriber => {
      const onData = (bytes: Uint8Array): void => subscriber.next(bytes)
      const onClose = (): void => subscriber.complete()
      const onError = (error: Error): void => subscriber.error(wrapError('webrtc-failed', error, 'WebRTC'))
      if (peer.destroyed) {
        subscriber.complete()
        return
      }
      peer.on('close', onClose)
      peer.on('error', onError)
      peer.on('data', onData)
      subscriber.add(() => {
        peer.off('close', onClose)
        peer.off('error', onError)
        peer.off('data', onData)
      })
    }),
    send(message) {
      try {
        peer.send(message)
      } catch (error) {
        throw toLighthouseError('channel-closed', error, 'data channel')
      }
      drain.sent(message.length)
    },
  }
}
