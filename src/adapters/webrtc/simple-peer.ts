import { Observable } from 'rxjs'
import SimplePeer from 'simple-peer'
import type { IceServer, RtcEvent, RtcOptions, RtcPort, RtcSignal } from '../../ports.js'
import { LighthouseError, wrapError } from '../../protocol/errors.js'
import { decideDtlsRole, withAddresses } from '../../protocol/signaling/dtls-role.js'
import { channelOf } from './channel.js'
import { defaultHighWaterBytes, maxEarlyBytes } from './data-channel.js'
import { channelLabel, oneChannelOnly, type WebRtcImplementation } from './native-connection.js'
import { path$ } from './path.js'
import { signalGate } from './signal-gate.js'

/**
 * How long an open connection is kept after it was let go of, in milliseconds, for the last words to arrive and the other side
 * to stop sending. node-datachannel drops what has not left when it is closed: of a last message behind 256 KiB, 6 in 100
 * arrived. A wrtc that is sending when the other side closes may end with a segmentation fault (docs/DECISIONS.md).
 * Twice the round trip of most paths.
 */
export const lingerMs = 300

function toPeer(signal: RtcSignal): SimplePeer.SignalData {
  if (signal.type !== 'candidate') return signal
  // A description has one section. node-datachannel does not give its number, and wrtc takes no candidate without.
  const { candidate, sdpMid, sdpMLineIndex } = signal
  return { type: 'candidate', candidate: { candidate, sdpMid, sdpMLineIndex: sdpMLineIndex ?? 0 } }
}

function fromPeer(data: SimplePeer.SignalData): RtcSignal | undefined {
  if ((data.type === 'offer' || data.type === 'answer') && typeof data.sdp === 'string') {
    return { type: data.type, sdp: data.sdp }
  }
  if (data.type !== 'candidate') return undefined
  const { candidate, sdpMid, sdpMLineIndex } = data.candidate
  // The end of candidates is an empty one, which the other side does not need: candidates trickle.
  if (typeof candidate !== 'string' || candidate === '') return undefined
  // node-datachannel leaves the SDP's prefix on it, which others refuse.
  const text = candidate.replace(/^a=/, '')
  return { type: 'candidate', candidate: text, sdpMid: sdpMid ?? null, sdpMLineIndex: sdpMLineIndex ?? null }
}

/** How an implementation differs from the standard. */
export interface RtcQuirks {
  /** The unit in which it reports round trips. Default: seconds. */
  readonly roundTripUnitMs?: number
  /**
   * Whether the side that offers names its candidates only after the answer has come. Default false. libdatachannel takes
   * up connectivity checks and a handshake that arrive before the answer, and fails when they get ahead of the answer's
   * fingerprint; nobody can check what has not been named, and its own checks make the same pairs.
   */
  readonly candidatesAfterAnswer?: boolean
  /** This machine's addresses, where they decide which side begins the DTLS handshake. Default: the standard does. */
  readonly addresses?: () => readonly string[]
  /** Bytes handed over ahead of what has left the channel's buffer. Default 256 KiB. */
  readonly highWaterBytes?: number
  /** How the side that offers opens the channel, besides its label. Default: reliable and ordered, as the standard has it. */
  readonly channelInit?: { readonly maxRetransmits?: number }
  /** Whether the side that answers may get the first messages in the wrong order. Default false. */
  readonly greets?: boolean
  /** What else a connection is configured with, asked for each. Default: nothing. */
  readonly config?: () => object
  /** The servers as it takes them. Default: as they are. */
  readonly iceServers?: (servers: readonly IceServer[]) => readonly IceServer[]
}

/** simple-peer over a WebRTC implementation. Every connection has one data channel, reliable and ordered. */
export function simplePeerRtc(name: string, implementation: WebRtcImplementation, quirks: RtcQuirks = {}): RtcPort {
  const {
    roundTripUnitMs = 1000,
    candidatesAfterAnswer = false,
    addresses,
    highWaterBytes = defaultHighWaterBytes,
    channelInit = {},
    greets = false,
    config = () => ({}),
    iceServers: taken = servers => servers,
  } = quirks
  const wrtc = oneChannelOnly(implementation)
  return {
    name,
    connect$({ initiator, iceServers, relayOnly = false, remote$ }: RtcOptions) {
      return new Observable<RtcEvent>(subscriber => {
        subscriber.next({ type: 'engine', name, greets })
        const options = {
          initiator,
          wrtc,
          trickle: true,
          channelName: channelLabel,
          channelConfig: channelInit,
          // With trickle on nothing waits for it; its timer would outlive the peer.
          iceCompleteTimeout: 1,
          config: {
            ...config(),
            iceServers: [...taken(iceServers)],
            iceTransportPolicy: relayOnly ? 'relay' : 'all',
          },
        }
        const peer = new SimplePeer(options)
        const channel = channelOf(peer, highWaterBytes)
        let opened = false

        const gate = signalGate(initiator && candidatesAfterAnswer, signal =>
          subscriber.next({ type: 'signal', signal }),
        )
        const fail = (error: unknown): void => subscriber.error(wrapError('webrtc-failed', error, 'WebRTC'))
        peer.on('signal', data => {
          const signal = fromPeer(data)
          if (signal === undefined) return
          const isNamed = addresses !== undefined && signal.type === 'offer'
          gate.local(isNamed ? { ...signal, sdp: withAddresses(signal.sdp, relayOnly ? [] : addresses()) } : signal)
        })
        peer.on('connect', () => {
          if (peer.readableLength > maxEarlyBytes) {
            subscriber.error(new LighthouseError('protocol-violation', 'too much data before the connection was open'))
            return
          }
          opened = true
          subscriber.next({ type: 'open', channel })
          if (!subscriber.closed) subscriber.add(path$(peer, roundTripUnitMs).subscribe(path => subscriber.next(path)))
        })
        peer.on('error', fail)
        peer.on('close', () => subscriber.complete())
        const remote = remote$.subscribe({
          next: signal => {
            if (peer.destroyed) return
            try {
              const isDecided = addresses !== undefined && signal.type === 'offer'
              peer.signal(toPeer(isDecided ? { ...signal, sdp: decideDtlsRole(signal.sdp, addresses()) } : signal))
              if (signal.type === 'answer') gate.answered()
            } catch (error) {
              // Some of what others send is refused by throwing.
              fail(error)
            }
          },
          error: (error: unknown) => subscriber.error(error),
        })
        subscriber.add(() => {
          remote.unsubscribe()
          if (!opened || peer.destroyed) {
            peer.destroy()
            return
          }
          // What still comes is read and dropped.
          peer.resume()
          setTimeout(() => peer.destroy(), lingerMs)
        })
      })
    },
  }
}
