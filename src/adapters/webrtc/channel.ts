import { Observable, type Subscriber } from 'rxjs'
import type SimplePeer from 'simple-peer'
import type { ByteChannel } from '../../ports.js'
import { toLighthouseError, wrapError } from '../../protocol/errors.js'

/** All implementations take 256 KiB in a message; the stream layer packs less. */
const maxMessageBytes = 256 * 1024

/**
 * No implementation for Node tells reliably when its buffer drains, so it is looked at again while much is in it. Each look
 * waits for a thread of the library, which is busy with the packets: little of it, as a side sends that only receives, is
 * not looked after so often.
 */
const drainPollMs = 2
const idlePollMs = 100

/** The data channel of a peer, for as long as that lives. `dispose` ends its timer. */
export function channelOf(
  peer: SimplePeer.Instance,
  highWaterBytes: number,
): { readonly channel: ByteChannel; dispose(): void } {
  let outstanding = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let soon = false
  let drained: Subscriber<number> | undefined

  const lookLater = (): void => {
    if (outstanding === 0 || soon) return
    soon = outstanding >= highWaterBytes / 4
    if (timer !== undefined && !soon) return
    clearTimeout(timer)
    timer = setTimeout(look, soon ? drainPollMs : idlePollMs)
  }
  const look = (): void => {
    timer = undefined
    soon = false
    const left = Math.max(0, outstanding - peer.bufferSize)
    outstanding -= left
    lookLater()
    if (left > 0) drained?.next(left)
  }
  const channel: ByteChannel = {
    maxMessageBytes,
    highWaterBytes,
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
    drained$: new Observable(subscriber => {
      drained = subscriber
      subscriber.add(() => {
        drained = undefined
      })
    }),
    send(message) {
      try {
        peer.send(message)
      } catch (error) {
        throw toLighthouseError('channel-closed', error, 'data channel')
      }
      outstanding += message.length
      lookLater()
    },
  }
  return { channel, dispose: () => clearTimeout(timer) }
}
