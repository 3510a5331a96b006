import { Subject, type Subscription } from 'rxjs'
import type { ByteChannel, RtcEvent, RtcPort, RtcSignal } from '../../../src/ports.js'

/** One side of a WebRTC connection as the spec drives it. */
export interface RtcSide {
  readonly events: RtcEvent[]
  readonly outcomes: unknown[]
  readonly remote$: Subject<RtcSignal>
  readonly opened: Promise<ByteChannel>
  readonly over: Promise<unknown>
  readonly subscription: Subscription
}

/** Subscribes to one side. What it wants to tell the other goes to `onSignal`; what the other tells goes to its `remote$`. */
export function rtcSide(rtc: RtcPort, initiator: boolean, onSignal: (signal: RtcSignal) => void): RtcSide {
  const events: RtcEvent[] = []
  const outcomes: unknown[] = []
  const remote$ = new Subject<RtcSignal>()
  let resolveOpened: (channel: ByteChannel) => void
  let resolveOver: (outcome: unknown) => void
  const opened = new Promise<ByteChannel>(resolve => (resolveOpened = resolve))
  const over = new Promise<unknown>(resolve => (resolveOver = resolve))
  const end = (outcome: unknown): void => {
    outcomes.push(outcome)
    resolveOver(outcome)
  }
  const subscription = rtc.connect$({ initiator, iceServers: [], remote$ }).subscribe({
    next: event => {
      events.push(event)
      if (event.type === 'signal') onSignal(event.signal)
      if (event.type === 'open') resolveOpened(event.channel)
    },
    error: end,
    complete: () => end('complete'),
  })
  return { events, outcomes, remote$, opened, over, subscription }
}

/** What of a signal reaches the other side. */
type Between = (signal: RtcSignal, from: 'offerer' | 'answerer') => RtcSignal | undefined

/** Two sides whose signals reach each other, passed through `between`. */
export function rtcSides(
  offerer: RtcPort,
  answerer: RtcPort = offerer,
  between: Between = signal => signal,
): readonly [RtcSide, RtcSide] {
  const pass = (signal: RtcSignal | undefined, to: RtcSide): void => {
    if (signal !== undefined) to.remote$.next(signal)
  }
  const b = rtcSide(answerer, false, signal => pass(between(signal, 'answerer'), a))
  const a: RtcSide = rtcSide(offerer, true, signal => pass(between(signal, 'offerer'), b))
  return [a, b]
}
