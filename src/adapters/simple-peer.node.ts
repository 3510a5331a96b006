import { Observable, type Subscriber } from 'rxjs'
import SimplePeer from 'simple-peer'
import type { ByteChannel, PathKind, RtcEvent, RtcOptions, RtcPort, RtcSignal } from '../ports.js'
import { LighthouseError, toLighthouseError } from '../protocol/errors.js'
import { channelLabel, oneChannelOnly, type WebRtcImplementation } from './rtc-connection.js'
import { signalGate } from './signal-gate.js'

/**
 * Bytes handed to the channel ahead of what has left it. Far below the 16 MiB past which the library drops silently, deep
 * enough that a look every other millisecond keeps 100 MB/s going; what is deeper only delays small requests.
 */
const defaultHighWaterBytes = 256 * 1024

/** Both implementations take 256 KiB in a message; the stream layer packs less. */
const maxMessageBytes = 256 * 1024

/**
 * Neither implementation tells reliably when its buffer drains, so it is looked at again while much is in it. Each look
 * waits for a thread of the library, which is busy with the packets: little of it, as a side sends that only receives, is
 * not looked after so often.
 */
const drainPollMs = 2
const idlePollMs = 100

/**
 * When path and round trip are looked up again: twice as late each time, up to the second. The first looks are too early
 * for a round trip, and until there is one the windows do not grow.
 */
const firstPathPollMs = 50
const lastPathPollMs = 1000

/**
 * How long an open connection is kept after it was let go of, for the last words to arrive and the other side to stop
 * sending. A channel that is closed from one side while the other is within wrtc's `send` ends that other process with a
 * segmentation fault, once in some forty times (docs/DECISIONS.md). Twice the round trip of most paths.
 */
const lingerMs = 300

/** What arrived before anybody listened: more than the first windows of a few streams is an attack. */
const maxEarlyBytes = 1024 * 1024

function channelOf(peer: SimplePeer.Instance, highWaterBytes: number): ByteChannel & { dispose(): void } {
  let outstanding = 0
  let timer: NodeJS.Timeout | undefined
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
  return {
    maxMessageBytes,
    highWaterBytes,
    message$: new Observable<Uint8Array>(subscriber => {
      const onData = (bytes: Uint8Array): void => subscriber.next(bytes)
      const onClose = (): void => subscriber.complete()
      const onError = (error: Error): void => subscriber.error(toLighthouseError('webrtc-failed', error, 'WebRTC'))
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
    drained$: new Observable<number>(subscriber => {
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
    dispose() {
      clearTimeout(timer)
    },
  }
}

interface StatsReport {
  readonly id: string
  readonly type: string
  readonly [key: string]: unknown
}

/** The selected candidate pair among the reports of getStats, however the implementation marks it. */
function pathOf(reports: readonly StatsReport[], roundTripUnitMs: number): RtcEvent & { type: 'path' } {
  const byId = new Map(reports.map(report => [report.id, report]))
  const transport = reports.find(report => report.type === 'transport')
  const pair =
    byId.get(String(transport?.selectedCandidatePairId)) ??
    reports.find(report => report.type === 'candidate-pair' && (report.selected === true || report.nominated === true))
  const kinds: readonly PathKind[] = ['host', 'srflx', 'prflx', 'relay']
  const local = byId.get(String(pair?.localCandidateId))?.candidateType
  const remote = byId.get(String(pair?.remoteCandidateId))?.candidateType
  const kind =
    local === 'relay' || remote === 'relay' ? 'relay' : (kinds.find(candidate => candidate === local) ?? 'unknown')
  const roundTrip = pair?.currentRoundTripTime
  return { type: 'path', kind, roundTripMs: typeof roundTrip === 'number' ? roundTrip * roundTripUnitMs : undefined }
}

function toPeer(signal: RtcSignal): SimplePeer.SignalData {
  if (signal.type !== 'candidate') return signal
  const { candidate, sdpMid } = signal
  // One that names no section of the description is for the only one; constructors refuse it without.
  const sdpMLineIndex = signal.sdpMLineIndex ?? (sdpMid === null ? 0 : null)
  return { type: 'candidate', candidate: { candidate, sdpMid, sdpMLineIndex } }
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

/** In what an implementation differs from the others. */
export interface RtcQuirks {
  /** The unit in which it reports round trips. Default: seconds, as the standard says. */
  readonly roundTripUnitMs?: number
  /**
   * Whether the side that offers names its candidates only after the answer has come. Default false. libdatachannel takes
   * up connectivity checks and a handshake that arrive before the answer, and fails when they get ahead of the answer's
   * fingerprint; nobody can check what has not been named, and its own checks make the same pairs.
   */
  readonly candidatesAfterAnswer?: boolean
  /**
   * Bytes handed over ahead of what has left the channel's buffer. Default 256 KiB. wrtc's buffer does not count the first
   * two megabytes, which lie in SCTP's own: there the depth delays nothing, and lets more through between two looks.
   */
  readonly highWaterBytes?: number
}

/** simple-peer over a WebRTC implementation. Every connection has one data channel, reliable and ordered. */
export function simplePeerRtc(name: string, implementation: WebRtcImplementation, quirks: RtcQuirks = {}): RtcPort {
  const { roundTripUnitMs = 1000, candidatesAfterAnswer = false, highWaterBytes = defaultHighWaterBytes } = quirks
  const wrtc = oneChannelOnly(implementation)
  return {
    name,
    connect$({ initiator, iceServers, relayOnly = false, remote$ }: RtcOptions) {
      return new Observable<RtcEvent>(subscriber => {
        const options = {
          initiator,
          wrtc,
          trickle: true,
          channelName: channelLabel,
          // With trickle on nothing waits for it; its timer would outlive the peer.
          iceCompleteTimeout: 1,
          config: { iceServers: [...iceServers], iceTransportPolicy: relayOnly ? 'relay' : 'all' },
        }
        const peer = new SimplePeer(options)
        const channel = channelOf(peer, highWaterBytes)
        let pathTimer: NodeJS.Timeout | undefined
        let opened = false

        const gate = signalGate(initiator && candidatesAfterAnswer, signal =>
          subscriber.next({ type: 'signal', signal }),
        )
        peer.on('signal', data => {
          const signal = fromPeer(data)
          if (signal !== undefined) gate.local(signal)
        })
        peer.on('connect', () => {
          if (peer.readableLength > maxEarlyBytes) {
            subscriber.error(new LighthouseError('protocol-violation', 'too much data before the connection was open'))
            return
          }
          const lookUpPath = (nextMs: number): void => {
            pathTimer = setTimeout(lookUpPath, nextMs, Math.min(2 * nextMs, lastPathPollMs))
            readStats(peer, reports => subscriber.next(pathOf(reports, roundTripUnitMs)))
          }
          opened = true
          subscriber.next({ type: 'open', channel })
          if (!subscriber.closed) lookUpPath(firstPathPollMs)
        })
        peer.on('error', error => subscriber.error(toLighthouseError('webrtc-failed', error, 'WebRTC')))
        peer.on('close', () => subscriber.complete())
        const remote = remote$.subscribe({
          next: signal => {
            if (peer.destroyed) return
            try {
              peer.signal(toPeer(signal))
              if (signal.type === 'answer') gate.answered()
            } catch (error) {
              // Some of what others send is refused by throwing.
              subscriber.error(toLighthouseError('webrtc-failed', error, 'WebRTC'))
            }
          },
          error: (error: unknown) => subscriber.error(error),
        })
        subscriber.add(() => {
          remote.unsubscribe()
          clearTimeout(pathTimer)
          channel.dispose()
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

function readStats(peer: SimplePeer.Instance, then: (reports: readonly StatsReport[]) => void): void {
  if (peer.destroyed) return
  const { getStats } = peer as unknown as {
    getStats(callback: (error: Error | null, reports?: StatsReport[]) => void): void
  }
  // Without figures the path stays as it was last seen; the next look may have them.
  getStats.call(peer, (error, reports) => {
    if (error === null && reports !== undefined) then(reports)
  })
}

/** By name. node-datachannel reports milliseconds where the standard has seconds; windows would grow a thousandfold. */
export const rtcQuirks = {
  wrtc: { highWaterBytes: 512 * 1024 },
  'node-datachannel': { roundTripUnitMs: 1, candidatesAfterAnswer: true },
} satisfies Record<string, RtcQuirks>

/** Loads a WebRTC implementation by the name that the command line gives it. Errors with `invalid-option` when it is not installed. */
export async function loadRtc(name: 'wrtc' | 'node-datachannel'): Promise<RtcPort> {
  try {
    const module = (name === 'wrtc' ? await import('wrtc') : await import('node-datachannel/polyfill')) as unknown as {
      default?: WebRtcImplementation
    } & WebRtcImplementation
    return simplePeerRtc(name, module.default ?? module, rtcQuirks[name])
  } catch (cause) {
    const hint = name === 'wrtc' ? 'its platform package is missing; install again' : 'npm install node-datachannel'
    throw new LighthouseError(
      'invalid-option',
      `the WebRTC implementation ${name} cannot be loaded: ${hint}`,
      {},
      { cause },
    )
  }
}
