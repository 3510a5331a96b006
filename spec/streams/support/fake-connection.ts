import { Observable, type Subscriber } from 'rxjs'
import { LighthouseError } from '../../../src/protocol/errors.js'
import type { MuxAgreement } from '../../../src/protocol/mux/frame.js'
import type { ConnectionEvent } from '../../../src/streams/signaling/connection.js'
import { type MemoryChannel, memoryChannelPair } from '../../support/memory-channel.js'
import type { VirtualTime } from './virtual-time.js'

/** A connection whose life the spec leads. */
export interface FakeConnection {
  readonly name: string
  /** Whether it was to be made without a relay. */
  readonly direct: boolean
  readonly session: string
  readonly alive: boolean
  /** The other side's end of the channel. */
  readonly far: MemoryChannel
  /** With what this side and the other one agreed on. Default: version 2, with RST. */
  open(agreement?: MuxAgreement): void
  emit(event: ConnectionEvent): void
  close(reason?: LighthouseError): void
}

/** Makes connections, one for each subscription. */
export interface FakeConnections {
  readonly made: readonly FakeConnection[]
  connect$(name: string, direct?: boolean): Observable<ConnectionEvent>
  /** The newest connection of that name. */
  last(name: string): FakeConnection
}

export function fakeConnections(time: VirtualTime): FakeConnections {
  const made: FakeConnection[] = []
  const connect$ = (name: string, direct = false): Observable<ConnectionEvent> =>
    new Observable((subscriber: Subscriber<ConnectionEvent>) => {
      const [near, far] = memoryChannelPair({ scheduler: time.scheduler, latencyMs: 1 })
      const session = `session-${made.length}`
      const pubKey = `key of ${name}`
      made.push({
        name,
        direct,
        session,
        far,
        get alive() {
          return !subscriber.closed
        },
        emit: event => subscriber.next(event),
        open: (agreement = { version: 2, rst: true }) =>
          subscriber.next({
            type: 'open',
            engine: 'fake',
            session,
            pubKey,
            hubKey: 'hub',
            channel: near,
            agreement,
          }),
        close: (reason = new LighthouseError('webrtc-failed', 'it broke')) => {
          subscriber.next({ type: 'closed', reason })
          subscriber.complete()
        },
      })
    })
  const last = (name: string): FakeConnection => made.findLast(connection => connection.name === name)!
  return { connect$, made, last }
}
