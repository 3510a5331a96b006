import { Observable, ReplaySubject, type Subscriber, take } from 'rxjs'
import type { ByteSocket, SocketEvent } from '../../ports.js'
import { LighthouseError } from '../../protocol/errors.js'

/** A local connection on which one question was sent. */
export interface Asked {
  /** For whoever carries it. */
  readonly socket: ByteSocket
  /** The first bytes that come back; errors with the reason when the stream is reset before. Replayed. */
  readonly answer$: Observable<Uint8Array>
}

/** A connection that no program is behind: it sends `question`, and reads everything that comes. Keeps the first piece. */
export function askOnce(question: Uint8Array): Asked {
  const answer$ = new ReplaySubject<Uint8Array>(1)
  let reader: Subscriber<SocketEvent> | undefined
  const socket: ByteSocket = {
    event$: new Observable(subscriber => {
      reader = subscriber
      subscriber.next({ type: 'chunk', bytes: question })
    }),
    write(bytes) {
      answer$.next(bytes.slice())
      answer$.complete()
      reader?.next({ type: 'consumed', bytes: bytes.length })
      return 'copied'
    },
    end: () => undefined,
    reset: (reason = new LighthouseError('stream-reset', 'the stream was broken off')) => answer$.error(reason),
    pause: () => undefined,
    resume: () => undefined,
  }
  return { socket, answer$: answer$.pipe(take(1)) }
}
