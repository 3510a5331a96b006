import { Observable, type Subscriber } from 'rxjs'
import type { ByteChannel } from '../../ports.js'
import { LighthouseError, toLighthouseError } from '../../protocol/errors.js'
import { having, optional, verifyOptions, whole } from '../../protocol/options.js'
import { drainOf } from './drain.js'

/** All implementations take 256 KiB in a message; the stream layer packs less. */
export const maxMessageBytes = 256 * 1024

/**
 * Bytes handed to a channel ahead of what has left it. Far below the 16 MiB past which browsers refuse and wrtc drops silently,
 * deep enough that a look every other millisecond keeps 100 MB/s going; what is deeper only delays small requests.
 */
export const defaultHighWaterBytes = 256 * 1024

/** What arrived before anybody listened: more than the first windows of a few streams is an attack. */
export const maxEarlyBytes = 1024 * 1024

/** What this needs of W3C's RTCDataChannel, which browsers and implementations for Node have. */
export interface RtcDataChannel {
  readonly readyState: string
  readonly bufferedAmount: number
  bufferedAmountLowThreshold: number
  binaryType: string
  /** Throws where it is not open, or its buffer is full. */
  send(data: Uint8Array<ArrayBuffer>): void
  /** Closes it once what was sent has left. */
  close(): void
  /** For `open`, `message`, `bufferedamountlow`, `error` and `close`. */
  addEventListener(type: string, listener: (event: object) => void): void
  /** Takes a listener away. */
  removeEventListener(type: string, listener: (event: object) => void): void
}

/** Undefined for text and whatever else is no bytes. Not `instanceof`, which another realm's buffer would fail. */
function bytesOf(data: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  return Object.prototype.toString.call(data) === '[object ArrayBuffer]'
    ? new Uint8Array(data as ArrayBuffer)
    : undefined
}

/**
 * A W3C data channel, reliable and ordered, as a byte channel: a browser's own, or one of an implementation for Node.
 *
 * Subscribe once, within the turn in which you got it, so that no message is missed. Emits the channel when it is open;
 * completes when it closes; errors with `webrtc-failed` when it fails, and with `protocol-violation` for a text or for more than 1 MiB
 * that arrived before `message$` was subscribed to. Unsubscribing closes it, and leaves the RTCPeerConnection to its owner.
 *
 * Holds at most that 1 MiB. What was sent waits in the implementation, up to `highWaterBytes` and a message: `bufferedAmount`
 * is read at `bufferedamountlow`, and every 2 to 100 ms where that event does not come.
 *
 * @param channel its `binaryType` and `bufferedAmountLowThreshold` are set.
 * @param options `highWaterBytes` (default 256 KiB). Throws `invalid-option` for what is no data channel.
 * @example
 * // In a browser, RTCPeerConnection is there.
 * import { RTCPeerConnection } from 'node-datachannel/polyfill'
 * import { rtcChannel$ } from 'lighthouse-peer/mux'
 * import { switchMap, take } from 'rxjs'
 *
 * const [near, far] = [new RTCPeerConnection(), new RTCPeerConnection()]
 * near.onicecandidate = ({ candidate }) => candidate && far.addIceCandidate(candidate)
 * far.onicecandidate = ({ candidate }) => candidate && near.addIceCandidate(candidate)
 * far.ondatachannel = ({ channel }) => {
 *   rtcChannel$(channel)
 *     .pipe(
 *       switchMap(({ message$ }) => message$),
 *       take(1),
 *     )
 *     .subscribe(message => {
 *       console.log(message.join())
 *       near.close()
 *       far.close()
 *     })
 * }
 * rtcChannel$(near.createDataChannel('data')).subscribe(channel => channel.send(Uint8Array.of(1, 2, 3)))
 * await near.setLocalDescription(await near.createOffer())
 * await far.setRemoteDescription(near.localDescription!)
 * await far.setLocalDescription(await far.createAnswer())
 * await near.setRemoteDescription(far.localDescription!)
 * // → 1,2,3
 */
export function rtcChannel$(
  channel: RtcDataChannel,
  options: { readonly highWaterBytes?: number } = {},
): Observable<ByteChannel> {
  verifyOptions({ channel }, { channel: having('send', 'close', 'addEventListener', 'removeEventListener') })
  verifyOptions(options, { highWaterBytes: optional(whole(1)) })
  const { highWaterBytes = defaultHighWaterBytes } = options
  return new Observable(subscriber => {
    const drain = drainOf(() => channel.bufferedAmount, highWaterBytes)
    const early: Uint8Array[] = []
    let earlyBytes = 0
    let isOver = false
    let reader: Subscriber<Uint8Array> | undefined
    const opened: ByteChannel = {
      maxMessageBytes,
      highWaterBytes,
      drained$: drain.drained$,
      message$: new Observable(current => {
        reader = current
        for (const message of early.splice(0)) current.next(message)
        if (isOver) current.complete()
      }),
      send(message) {
        try {
          // Shared memory, which browsers refuse, throws here.
          channel.send(message as Uint8Array<ArrayBuffer>)
        } catch (error) {
          throw toLighthouseError('channel-closed', error, 'data channel')
        }
        drain.sent(message.length)
      },
    }
    const fail = (error: LighthouseError): void => {
      reader?.error(error)
      subscriber.error(error)
    }
    const onMessage = (event: { readonly data?: unknown }): void => {
      const bytes = bytesOf(event.data)
      if (bytes === undefined) return fail(new LighthouseError('protocol-violation', 'a message that is no bytes'))
      if (reader !== undefined) return reader.next(bytes)
      early.push(bytes)
      earlyBytes += bytes.length
      if (earlyBytes > maxEarlyBytes)
        fail(new LighthouseError('protocol-violation', 'too much data before anybody listened'))
    }
    const listeners = {
      open: () => subscriber.next(opened),
      message: onMessage,
      bufferedamountlow: drain.look,
      error: () => fail(new LighthouseError('webrtc-failed', 'the data channel failed')),
      close: () => {
        isOver = true
        reader?.complete()
        subscriber.complete()
      },
    }
    channel.binaryType = 'arraybuffer'
    channel.bufferedAmountLowThreshold = drain.lowBytes
    for (const [type, listener] of Object.entries(listeners)) channel.addEventListener(type, listener)
    subscriber.add(() => {
      for (const [type, listener] of Object.entries(listeners)) channel.removeEventListener(type, listener)
      channel.close()
    })
    if (channel.readyState === 'open') subscriber.next(opened)
    else if (channel.readyState !== 'connecting') listeners.close()
  })
}
