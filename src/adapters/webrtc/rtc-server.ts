import { Subject, Subscription } from 'rxjs'
import type { ByteChannel, RtcPort, RtcSignal } from '../../ports.js'
import { LighthouseError, toLighthouseError } from '../../protocol/errors.js'
import { costOf, type RtcCommand, type RtcReport } from './rtc-messages.js'

/**
 * Bytes of one connection on the way to a process that does not consume them, beyond which the connection fails: what
 * arrives cannot be held back. More than 64 streams may have on the way with their first windows and all of the budget
 * for larger ones.
 */
export const maxUnconsumedBytes = 32 * 1024 * 1024

interface Connection {
  readonly remote$: Subject<RtcSignal>
  readonly subscription: Subscription
  channel: ByteChannel | undefined
  unconsumedBytes: number
}

export interface RtcServer {
  on(command: RtcCommand): void
  /** Ends every connection. */
  close(): void
}

/** Holds WebRTC connections for another process, to which `say` reports. Holds at most 32 MiB of messages for each. */
export function createRtcServer(rtc: RtcPort, say: (report: RtcReport) => void): RtcServer {
  const connections = new Map<number, Connection>()

  const end = (id: number, report?: RtcReport): void => {
    const connection = connections.get(id)
    if (connection === undefined) return
    connections.delete(id)
    connection.subscription.unsubscribe()
    if (report !== undefined) say(report)
  }
  const fail = (id: number, error: unknown): void => {
    const { code, message, cause } = toLighthouseError('webrtc-failed', error)
    const stack = code === 'internal' && cause instanceof Error ? cause.stack : undefined
    end(id, { type: 'error', id, code, message, stack })
  }
  const connect = ({ id, initiator, iceServers, relayOnly }: RtcCommand & { type: 'connect' }): void => {
    const remote$ = new Subject<RtcSignal>()
    const subscription = new Subscription()
    const connection: Connection = { remote$, subscription, channel: undefined, unconsumedBytes: 0 }
    connections.set(id, connection)
    subscription.add(
      rtc.connect$({ initiator, iceServers, relayOnly, remote$ }).subscribe({
        next: event => {
          if (event.type !== 'open') return say({ type: 'event', id, event })
          const { channel } = event
          connection.channel = channel
          subscription.add(channel.drained$.subscribe(bytes => say({ type: 'drained', id, bytes })))
          say({ type: 'open', id, maxMessageBytes: channel.maxMessageBytes, highWaterBytes: channel.highWaterBytes })
        },
        error: (error: unknown) => fail(id, error),
        complete: () => end(id, { type: 'complete', id }),
      }),
    )
  }
  const read = (id: number, connection: Connection): void => {
    const message$ = connection.channel?.message$
    // Its end is that of the connection, which is reported once.
    connection.subscription.add(
      message$?.subscribe({
        next: bytes => {
          connection.unconsumedBytes += costOf(bytes)
          if (connection.unconsumedBytes <= maxUnconsumedBytes) return say({ type: 'message', id, bytes })
          fail(id, new LighthouseError('webrtc-failed', 'too much arrived while this process was busy'))
        },
        error: (error: unknown) => fail(id, error),
      }),
    )
  }
  const perform = (command: Exclude<RtcCommand, { type: 'connect' }>, connection: Connection): void => {
    const { id } = command
    switch (command.type) {
      case 'remote':
        return connection.remote$.next(command.signal)
      case 'read':
        return read(id, connection)
      case 'consumed':
        connection.unconsumedBytes -= command.bytes
        return
      case 'send':
        try {
          return connection.channel?.send(command.bytes)
        } catch (error) {
          return fail(id, error)
        }
      case 'close':
        return end(id)
    }
  }
  return {
    on(command) {
      if (command.type === 'connect') return connect(command)
      const connection = connections.get(command.id)
      // The other process may not know yet that it has ended here.
      if (connection !== undefined) perform(command, connection)
    },
    close() {
      for (const id of [...connections.keys()]) end(id)
    },
  }
}
