/**
 * A hub's own end of a WebRTC connection, to be put in the place of one of the peers: a man in the middle that would work
 * if the descriptions were not signed.
 */
import { firstValueFrom, ReplaySubject, type Subscription } from 'rxjs'
import type { RtcPort, RtcSignal } from '../../../src/ports.js'

export interface Impostor {
  /** Its offer, or its answer once it was given an offer. */
  readonly description: Promise<RtcSignal & { readonly type: 'offer' | 'answer' }>
  /** Resolves when the data channel to its victim is open. */
  readonly open: Promise<void>
  isOpen(): boolean
  /** What the victim says, and says where it is. */
  take(signal: RtcSignal): void
  close(): void
}

/** Offers, or waits for an offer. `onCandidate` gets where it can be reached. */
export function impostor(rtc: RtcPort, initiator: boolean, onCandidate: (signal: RtcSignal) => void): Impostor {
  const remote$ = new ReplaySubject<RtcSignal>()
  const description$ = new ReplaySubject<RtcSignal & { readonly type: 'offer' | 'answer' }>(1)
  const open$ = new ReplaySubject<void>(1)
  let isOpen = false
  const subscription: Subscription = rtc.connect$({ initiator, iceServers: [], remote$ }).subscribe({
    next(event) {
      if (event.type === 'open') {
        isOpen = true
        open$.next()
      } else if (event.type === 'signal') {
        if (event.signal.type === 'candidate') onCandidate(event.signal)
        else description$.next(event.signal)
      }
    },
    // A victim that hangs up is the end of it.
    error: () => undefined,
  })
  return {
    description: firstValueFrom(description$),
    open: firstValueFrom(open$),
    isOpen: () => isOpen,
    take: signal => remote$.next(signal),
    close: () => subscription.unsubscribe(),
  }
}
