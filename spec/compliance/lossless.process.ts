/** One end of the lossless run, in a process of its own: `sender` or `receiver`, how many messages, over which implementation. */
import { asyncScheduler, NEVER, Observable, of, Subject, type Subscriber, tap } from 'rxjs'
import { loadRtc, type RtcName } from '../../src/adapters/webrtc/load.node.js'
import type { ByteChannel, ByteSocket, RtcSignal, SocketEvent } from '../../src/ports.js'
import { session$ } from '../../src/streams/mux/session.js'
import type { LosslessMessage } from './lossless.messages.js'
import { messageBytes, messagesPerWrite } from './lossless.messages.js'

const [, , role, countText, name] = process.argv
const count = Number(countText)
const say = (message: LosslessMessage): void => void process.send!(message)

/** Counts what was handed to the channel and has not left it. */
function instrumented(channel: ByteChannel, onAhead: (bytes: number) => void): ByteChannel {
  let ahead = 0
  return {
    ...channel,
    drained$: channel.drained$.pipe(tap(bytes => (ahead -= bytes))),
    send(message) {
      channel.send(message)
      ahead += message.length
      onAhead(ahead)
    },
  }
}

/** A program that writes numbered messages as fast as it may. */
function numberedWriter(onDone: () => void): ByteSocket {
  let subscriber: Subscriber<SocketEvent>
  let paused = false
  let next = 0
  const pump = (): void => {
    while (!paused && next < count) {
      const messages = Math.min(messagesPerWrite, count - next)
      const bytes = Buffer.alloc(messages * messageBytes)
      for (let index = 0; index < messages; index++, next++) {
        bytes.writeUInt32LE(next, index * messageBytes)
        bytes.writeUInt32LE(~next >>> 0, (index + 1) * messageBytes - 4)
      }
      subscriber.next({ type: 'chunk', bytes })
      if (next === count) subscriber.next({ type: 'end' })
    }
  }
  return {
    event$: new Observable(current => {
      subscriber = current
      setImmediate(pump)
    }),
    write: () => 'copied',
    // The reader says that it has all by ending its side.
    end: onDone,
    reset: () => undefined,
    pause() {
      paused = true
    },
    resume() {
      paused = false
      // Not from within: an effect must not cause more than one event's worth at a time.
      setImmediate(pump)
    },
  }
}

/** A program that checks every number. */
function numberedReader(onDone: (received: number, firstWrong: number) => void): ByteSocket {
  let subscriber: Subscriber<SocketEvent>
  let held = Buffer.alloc(0)
  let received = 0
  let firstWrong = -1
  return {
    event$: new Observable(current => {
      subscriber = current
    }),
    write(bytes) {
      let rest = held.length === 0 ? Buffer.from(bytes) : Buffer.concat([held, bytes])
      while (rest.length >= messageBytes) {
        const right = rest.readUInt32LE(0) === received && rest.readUInt32LE(messageBytes - 4) === ~received >>> 0
        if (!right && firstWrong < 0) firstWrong = received
        received++
        rest = rest.subarray(messageBytes)
      }
      held = Buffer.from(rest)
      subscriber.next({ type: 'consumed', bytes: bytes.length })
      return 'copied'
    },
    end() {
      onDone(received, firstWrong)
      subscriber.next({ type: 'end' })
    },
    reset: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
  }
}

const rtc = await loadRtc(name as RtcName)
const remote$ = new Subject<RtcSignal>()
let mostAheadBytes = 0

const run = (opened: ByteChannel): void => {
  const channel = instrumented(opened, bytes => {
    mostAheadBytes = Math.max(mostAheadBytes, bytes)
  })
  const common = {
    channel,
    agreement: { version: 2, rst: true } as const,
    roundTripMs$: NEVER,
    clock: performance,
    scheduler: asyncScheduler,
  }
  const sessions$ =
    role === 'sender'
      ? session$({
          ...common,
          role: 'client',
          socket$: of(numberedWriter(() => say({ type: 'sent', mostAheadBytes }))),
        })
      : session$({
          ...common,
          role: 'server',
          socket$: NEVER,
          dial: () => numberedReader((received, firstWrong) => say({ type: 'received', received, firstWrong })),
        })
  sessions$.subscribe({ error: (error: Error) => say({ type: 'failed', message: error.message }) })
}

const connection = rtc.connect$({ initiator: role === 'sender', iceServers: [], remote$ }).subscribe({
  next: event => {
    if (event.type === 'signal') say({ type: 'signal', signal: event.signal })
    if (event.type === 'open') run(event.channel)
  },
  error: (error: Error) => say({ type: 'failed', message: error.message }),
})
process.on('message', (message: LosslessMessage) => {
  if (message.type === 'signal') remote$.next(message.signal)
})
process.on('disconnect', () => {
  connection.unsubscribe()
  process.exit()
})
say({ type: 'ready' })
