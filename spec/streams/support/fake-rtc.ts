import { Observable, type Subscriber } from 'rxjs'
import type { RtcEvent, RtcOptions, RtcPort, RtcSignal } from '../../../src/ports.js'

/** One WebRTC connection, played by the spec. */
export interface FakeRtcLink {
  readonly options: RtcOptions
  /** What arrived from the other side. */
  readonly remote: readonly RtcSignal[]
  readonly open: boolean
  emit(event: RtcEvent): void
  complete(): void
  fail(error: unknown): void
}

export interface FakeRtc extends RtcPort {
  readonly links: readonly FakeRtcLink[]
  readonly link: FakeRtcLink
}

/** An implementation that says which one it is and then does what the spec says. */
export function fakeRtc({ greets = false } = {}): FakeRtc {
  const links: FakeRtcLink[] = []
  return {
    name: 'fake',
    links,
    get link() {
      return links.at(-1)!
    },
    connect$: options =>
      new Observable((subscriber: Subscriber<RtcEvent>) => {
        const remote: RtcSignal[] = []
        subscriber.next({ type: 'engine', name: 'fake', greets })
        links.push({
          options,
          remote,
          get open() {
            return !subscriber.closed
          },
          emit: event => subscriber.next(event),
          complete: () => subscriber.complete(),
          fail: error => subscriber.error(error),
        })
        subscriber.add(
          options.remote$.subscribe({ next: signal => remote.push(signal), error: error => subscriber.error(error) }),
        )
      }),
  }
}
