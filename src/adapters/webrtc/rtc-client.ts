import { Observable, Subject, type Subscriber } from 'rxjs'
import type { ByteChannel, RtcEvent, RtcOptions } from '../../ports.js'
import { LighthouseError } from '../../protocol/errors.js'
import { costOf, type RtcCommand, type RtcReport } from './rtc-messages.js'

/** How much is consumed before it is acknowledged: at most an eighth of what may be in flight. */
const consumedStepBytes = 256 * 1024

interface Connection {
  readonly subscriber: Subscriber<RtcEvent>
  readonly message$: Subject<Uint8Array>
  readonly drained$: Subject<number>
  consumedBytes: number
}

export interface RtcClient {
  connect$(options: RtcOptions): Observable<RtcEvent>
  on(report: RtcReport): void
}

/** WebRTC connections that another process holds, to which `say` speaks. Holds nothing: what is not read stays there. */
export function createRtcClient(say: (command: RtcCommand) => void): RtcClient {
  const connections = new Map<number, Connection>()
  let lastId = 0

  const channelOf = (
    { maxMessageBytes, highWaterBytes }: RtcReport & { type: 'open' },
    id: number,
    { message$, drained$ }: Connection,
  ): ByteChannel => ({
    maxMessageBytes,
    highWaterBytes,
    drained$,
    message$: new Observable(subscriber => {
      subscriber.add(message$.subscribe(subscriber))
      say({ type: 'read', id })
    }),
    send(bytes) {
      if (!connections.has(id)) throw new LighthouseError('channel-closed', 'data channel: it is closed')
      say({ type: 'send', id, bytes })
    },
  })
  return {
    connect$: ({ initiator, iceServers, relayOnly = false, remote$ }) =>
      new Observable(subscriber => {
        const id = ++lastId
        const connection: Connection = {
          subscriber,
          message$: new Subject(),
          drained$: new Subject(),
          consumedBytes: 0,
        }
        connections.set(id, connection)
        subscriber.add(() => {
          // Unless it ended there.
          if (connections.delete(id)) say({ type: 'close', id })
          connection.message$.complete()
        })
        say({ type: 'connect', id, initiator, iceServers, relayOnly })
        subscriber.add(
          remote$.subscribe({
            next: signal => say({ type: 'remote', id, signal }),
            error: (error: unknown) => subscriber.error(error),
          }),
        )
      }),
    on(report) {
      const { id } = report
      const connection = connections.get(id)
      if (connection === undefined) return
      const { subscriber, message$, drained$ } = connection
      switch (report.type) {
        case 'event':
          return subscriber.next(report.event)
        case 'open':
          return subscriber.next({ type: 'open', channel: channelOf(report, id, connection) })
        case 'message':
          connection.consumedBytes += costOf(report.bytes)
          if (connection.consumedBytes >= consumedStepBytes) {
            say({ type: 'consumed', id, bytes: connection.consumedBytes })
            connection.consumedBytes = 0
          }
          return message$.next(report.bytes)
        case 'drained':
          return drained$.next(report.bytes)
        case 'complete':
          connections.delete(id)
          message$.complete()
          return subscriber.complete()
        case 'error': {
          connections.delete(id)
          const { code, message, stack } = report
          const cause = stack === undefined ? undefined : Object.assign(new Error(message), { stack })
          const error = new LighthouseError(code, message, {}, { cause })
          message$.error(error)
          return subscriber.error(error)
        }
      }
    },
  }
}
