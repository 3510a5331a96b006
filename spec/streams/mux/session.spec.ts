import { describe, expect, it } from '@jest/globals'
import { BehaviorSubject, EMPTY, NEVER, Subject, type Subscription } from 'rxjs'
import { stepDeframer, createDeframer } from '../../../src/protocol/mux/deframer.js'
import { type LighthouseError, LighthouseError as Failure } from '../../../src/protocol/errors.js'
import { encodeFrames, type Frame, type FramedReceipt, type MuxAgreement } from '../../../src/protocol/mux/frame.js'
import type { ByteSocket } from '../../../src/ports.js'
import { type SessionOptions, session$ } from '../../../src/streams/mux/session.js'
import type { SessionEvent } from '../../../src/streams/mux/session-reports.js'
import { type MemoryChannel, memoryChannelPair } from '../../support/memory-channel.js'
import { type MemorySocket, memorySocket } from '../../support/memory-socket.js'
import { isSame, patternBytes } from '../../support/pattern.js'
import { type VirtualTime, virtualTime } from '../support/virtual-time.js'

const agreement: MuxAgreement = { version: 2, rst: true }
const greeted: MuxAgreement = { ...agreement, greet: true }

interface Side {
  readonly events: SessionEvent[]
  readonly errors: LighthouseError[]
  readonly socket$: Subject<ByteSocket>
  readonly dialled: MemorySocket[]
  readonly subscription: Subscription
  readonly streams: () => number | undefined
}

function start(
  time: VirtualTime,
  channel: MemoryChannel,
  role: 'client' | 'server',
  dial: (() => MemorySocket) | undefined = role === 'server' ? () => memorySocket() : undefined,
  agreed = agreement,
  more: Partial<SessionOptions> = {},
): Side {
  const events: SessionEvent[] = []
  const errors: LighthouseError[] = []
  const socket$ = new Subject<ByteSocket>()
  const dialled: MemorySocket[] = []
  const subscription = session$({
    channel,
    role,
    agreement: agreed,
    socket$,
    ...(dial && {
      dial: () => {
        const socket = dial()
        dialled.push(socket)
        return socket
      },
    }),
    roundTripMs$: EMPTY,
    clock: time.clock,
    scheduler: time.scheduler,
    ...more,
  }).subscribe({ next: event => events.push(event), error: (error: LighthouseError) => errors.push(error) })
  const streams = (): number | undefined =>
    events.flatMap(event => (event.type === 'streams' ? [event.open] : [])).at(-1)
  return { events, errors, socket$, dialled, subscription, streams }
}

/** Two sessions joined in memory, on virtual time. */
function joined(dial?: () => MemorySocket, agreed = agreement) {
  const time = virtualTime()
  const [here, there] = memoryChannelPair({ scheduler: time.scheduler, latencyMs: 1 })
  const client = start(time, here, 'client', undefined, agreed)
  const server = start(time, there, 'server', dial, agreed)
  const connect = (socket = memorySocket()): MemorySocket => {
    client.socket$.next(socket)
    time.advance(5)
    return socket
  }
  return { time, here, there, client, server, connect }
}

/** A session whose other side is the spec itself. */
function alone(
  role: 'client' | 'server',
  dial?: () => MemorySocket,
  agreed = agreement,
  more: Partial<SessionOptions> = {},
) {
  const time = virtualTime()
  const [here, there] = memoryChannelPair({ scheduler: time.scheduler, latencyMs: 1 })
  const received: Frame[] = []
  let deframer = createDeframer(agreed)
  there.message$.subscribe({
    next: message => {
      const [next, frames] = stepDeframer(deframer, message)
      deframer = next
      received.push(...frames)
    },
  })
  const side = start(time, here, role, dial, agreed, more)
  const say = (...frames: Frame[]): void => {
    for (const frame of frames) there.send(encodeFrames([frame], agreed.version))
    time.advance(5)
  }
  return { time, here, there, side, received, say }
}

describe('session$', () => {
  it('delivers what came in a message even when the channel refuses the answer to it', () => {
    const { time, here, there, side } = alone('client')
    const local = memorySocket()
    side.socket$.next(local)
    time.advance(5)
    here.send = () => {
      throw new Failure('channel-closed', 'the channel has just closed')
    }
    // The stream that it opens is refused, within the step that delivers the data.
    const frames: Frame[] = [
      { command: 'psh', streamId: 3, data: patternBytes(1, 0, 500) },
      { command: 'syn', streamId: 2 },
    ]
    there.send(encodeFrames(frames, 2))
    time.advance(5)
    expect(isSame(local.written, patternBytes(1, 0, 500))).toBe(true)
    expect(side.errors).toMatchObject([{ code: 'channel-closed' }])
    expect(local.log).toEqual(['write 500', 'reset'])
  })

  it('carries bytes both ways, whole and in order, and reports streams and traffic', () => {
    const { time, client, server, connect } = joined()
    const local = connect()
    expect([client.streams(), server.streams()]).toEqual([1, 1])
    const request = patternBytes(1, 0, 100_000)
    local.receive(request)
    time.advance(20)
    const remote = server.dialled[0]!
    expect(isSame(remote.written, request)).toBe(true)
    const response = patternBytes(2, 0, 300_000)
    remote.receive(response)
    time.advance(2000)
    expect(isSame(local.written, response)).toBe(true)
    const traffic = client.events.findLast(event => event.type === 'traffic')
    expect(traffic).toMatchObject({ receivedBytes: 300_000, sentBytes: 100_000, bufferedBytes: 0 })
  })

  it('half-closes: the request ends, the answer still comes, and only then the stream is over', () => {
    const { time, client, server, connect } = joined()
    const local = connect()
    local.receive(patternBytes(1, 0, 10))
    local.receiveEnd()
    time.advance(5)
    const remote = server.dialled[0]!
    expect(remote.log).toEqual(['write 10', 'end'])
    expect(local.ended).toBe(false)
    expect(client.streams()).toBe(1)
    remote.receive(patternBytes(2, 0, 20))
    remote.receiveEnd()
    time.advance(5)
    expect(local.log).toEqual(['write 20', 'end'])
    expect([client.streams(), server.streams()]).toEqual([0, 0])
    expect([local, remote].some(socket => socket.wasReset || socket.subscribed)).toBe(false)
  })

  it('sends at once where no greeting was agreed, and greets nobody', () => {
    const { received, side, time } = alone('client')
    side.socket$.next(memorySocket())
    time.advance(1)
    expect(received.map(({ command }) => command)).toEqual(['syn'])
    const other = alone('server')
    other.time.advance(5)
    expect(other.received).toEqual([])
  })

  it('greets at once where that was agreed and the other side opens the streams', () => {
    const { received, time } = alone('server', undefined, greeted)
    time.advance(5)
    expect(received).toEqual([{ command: 'nop', streamId: 0 }])
  })

  it('sends nothing before the other side has greeted, and everything then, in order', () => {
    const { received, side, time, say } = alone('client', undefined, greeted)
    const socket = memorySocket()
    side.socket$.next(socket)
    socket.receive(patternBytes(1, 0, 10))
    time.advance(190)
    expect([received, side.streams()]).toEqual([[], 1])
    say({ command: 'nop', streamId: 0 })
    expect(received.map(({ command }) => command)).toEqual(['syn', 'psh'])
    time.advance(500)
    expect(received.length).toBe(2)
  })

  it('waits 200 ms for one that does not greet after all', () => {
    const { received, side, time } = alone('client', undefined, greeted)
    side.socket$.next(memorySocket())
    time.advance(199)
    expect(received).toEqual([])
    time.advance(5)
    expect(received.map(({ command }) => command)).toEqual(['syn'])
  })

  it('leaves nothing when it ends while it waits', () => {
    const { side, time } = alone('client', undefined, greeted)
    const socket = memorySocket()
    side.socket$.next(socket)
    side.subscription.unsubscribe()
    time.advance(5)
    expect([socket.wasReset, time.pending()]).toEqual([true, 0])
  })

  it('notifies the other side of a reset, which resets too, and disturbs no other stream', () => {
    const { time, client, server, connect } = joined()
    const broken = connect()
    const other = connect()
    broken.break()
    time.advance(5)
    expect(server.dialled[0]!.wasReset).toBe(true)
    expect(client.streams()).toBe(1)
    other.receive(patternBytes(3, 0, 1000))
    time.advance(5)
    expect(server.dialled[1]!.written.length).toBe(1000)
    expect([...client.errors, ...server.errors]).toEqual([])
  })

  it('says FIN for a failure where RST was not agreed', () => {
    const { received, side, time, say } = alone('client', undefined, { version: 1, rst: false })
    say({ command: 'nop', streamId: 0 })
    const socket = memorySocket()
    side.socket$.next(socket)
    time.advance(5)
    socket.break()
    time.advance(5)
    expect(received.map(({ command }) => command)).toEqual(['syn', 'fin'])
  })

  it('pauses a socket that writes faster than its stream sends, within the bound, and resumes it', () => {
    const { time, connect, server } = joined(() => memorySocket({ reads: false }))
    const local = connect()
    let written = 0
    while (!local.paused && written < 4_000_000) {
      local.receive(patternBytes(1, written, 65_536))
      written += 65_536
      time.advance(5)
    }
    // One window on the way, one queue behind it, one chunk more.
    expect(local.paused).toBe(true)
    expect(written).toBeLessThanOrEqual(262_144 + 262_144 + 65_536)
    const remote = server.dialled[0]!
    expect(remote.written.length).toBe(262_144)
    while (remote.written.length < written) {
      remote.consume()
      time.advance(5)
    }
    expect(local.paused).toBe(false)
    expect(local.log).toEqual(['pause', 'resume'])
  })

  it('never hands the channel more than its high-water mark and one message', () => {
    const { time, here, client, connect } = joined()
    for (let index = 0; index < 20; index++) connect().receive(patternBytes(index, 0, 200_000))
    time.advance(1)
    expect(client.events.length).toBeGreaterThan(0)
    expect(here.mostAheadBytes).toBeLessThanOrEqual(here.highWaterBytes + 127_224)
    time.advance(1000)
    expect(here.sentBytes).toBeGreaterThan(4_000_000)
  })

  it('announces by UPD what the program consumed, and nothing else', () => {
    const { say, received, side } = alone('server', () => memorySocket({ reads: false }))
    say({ command: 'syn', streamId: 3 }, { command: 'psh', streamId: 3, data: patternBytes(1, 0, 3000) })
    expect(received.filter(({ command }) => command === 'upd')).toEqual([])
    side.dialled[0]!.consume(1000)
    say()
    expect(received.filter(({ command }) => command === 'upd')).toEqual([
      { command: 'upd', streamId: 3, consumed: 1000, window: 262_144 },
    ])
  })

  it('costs one stream when a dial fails', () => {
    let dials = 0
    const { time, client, server, connect } = joined(() =>
      dials++ === 0 ? memorySocket({ onStart: socket => socket.break() }) : memorySocket(),
    )
    const refused = connect()
    expect(refused.wasReset).toBe(true)
    const served = connect()
    served.receive(patternBytes(1, 0, 10))
    time.advance(5)
    expect(server.dialled[1]!.written.length).toBe(10)
    expect(client.streams()).toBe(1)
    expect([...client.errors, ...server.errors]).toEqual([])
  })

  it('ends when data for a stream that is not open does not stop, and not for a little of it', () => {
    const { there, side, time } = alone('server')
    const message = encodeFrames([{ command: 'psh', streamId: 9, data: new Uint8Array(65_536) }], 2)
    let sent = 0
    for (; side.errors.length === 0 && sent < 200_000_000; sent += 65_536) {
      there.send(message)
      time.advance(1)
    }
    expect(side.errors.map(({ code }) => code)).toEqual(['protocol-violation'])
    expect(sent).toBeGreaterThan(200_000)
    expect(sent).toBeLessThan(1_000_000)
  })

  it('reports why streams were reset: on both sides, each once', () => {
    const { time, client, server, connect } = joined()
    const [first] = [connect(), connect()]
    first.break()
    time.advance(5)
    const resets = (side: Side): unknown[] => side.events.filter(({ type }) => type === 'resets')
    expect(resets(client)).toEqual([
      {
        type: 'resets',
        local: true,
        count: 1,
        reason: expect.objectContaining({ message: 'the program broke the connection' }),
      },
    ])
    expect(resets(server)).toEqual([
      {
        type: 'resets',
        local: false,
        count: 1,
        reason: expect.objectContaining({
          code: 'stream-reset',
          message: expect.stringContaining('the other side reset'),
        }),
      },
    ])
    // What the end of the connection resets is not told again.
    client.subscription.unsubscribe()
    time.advance(20_000)
    expect(resets(client)).toHaveLength(1)
  })

  it('summarises a flood of resets, and reports the last ones before the connection ends', () => {
    const { time, side, say } = alone('server')
    const opened = (id: number): Frame[] => [
      { command: 'syn', streamId: id },
      { command: 'rst', streamId: id },
    ]
    for (let id = 3; id < 2003; id += 2) say(...opened(id))
    const counts = (): number[] => side.events.flatMap(event => (event.type === 'resets' ? [event.count] : []))
    const before = counts()
    expect(before.length).toBeLessThanOrEqual(1 + Math.ceil(time.clock.now() / 10_000))
    say({ command: 'syn', streamId: 2 })
    expect(side.errors.map(({ code }) => code)).toEqual(['protocol-violation'])
    expect(counts().reduce((sum, count) => sum + count, 0)).toBe(1000)
    expect(counts().length).toBe(before.length + 1)
  })

  it('refuses streams of the other side where nothing is dialled', () => {
    const { say, received, side } = alone('client')
    say({ command: 'syn', streamId: 2 })
    expect(received).toEqual([{ command: 'rst', streamId: 2 }])
    expect(side.streams()).toBe(0)
  })

  it('resets every socket and says channel-closed when the other side closes the channel', () => {
    const { there, time, client, server, connect } = joined()
    const sockets = [connect(), connect()]
    there.close()
    time.advance(5)
    expect(client.errors.map(({ code }) => code)).toEqual(['channel-closed'])
    expect(sockets.every(({ wasReset, subscribed }) => wasReset && !subscribed)).toBe(true)
    server.subscription.unsubscribe()
    expect(server.dialled.every(({ wasReset, subscribed }) => wasReset && !subscribed)).toBe(true)
    expect(time.pending()).toBe(0)
  })

  it('passes on why the channel failed', () => {
    const { here, client, connect } = joined()
    const socket = connect()
    here.fail(new Failure('webrtc-failed', 'lost'))
    expect(client.errors.map(({ code }) => code)).toEqual(['webrtc-failed'])
    expect(socket.wasReset).toBe(true)
  })

  it.each([
    ['frame-version', new Uint8Array([7, 0, 0, 0, 3, 0, 0, 0])],
    ['frame-command', new Uint8Array([2, 9, 0, 0, 3, 0, 0, 0])],
    ['frame-size', new Uint8Array([2, 0, 1, 0, 3, 0, 0, 0])],
    ['protocol-violation', encodeFrames([{ command: 'syn', streamId: 4 }], 2)],
  ])('ends with %s on such bytes, and resets the sockets', (code, bytes) => {
    const { there, side, say } = alone('server')
    say({ command: 'syn', streamId: 3 })
    there.send(bytes)
    say()
    expect(side.errors.map(error => error.code)).toEqual([code])
    expect(side.dialled[0]!.wasReset).toBe(true)
  })

  it('ends with protocol-violation when more comes than the window allows', () => {
    const { side, say } = alone('server', () => memorySocket({ reads: false }))
    say({ command: 'syn', streamId: 3 })
    for (let sent = 0; sent <= 262_144; sent += 16_384) {
      say({ command: 'psh', streamId: 3, data: patternBytes(1, sent, 16_384) })
    }
    expect(side.errors.map(({ code }) => code)).toEqual(['protocol-violation'])
  })

  it('notices a silent peer: after 15 s between two of ours, 30 s else', () => {
    for (const [agreed, seconds] of [
      [agreement, 15],
      [{ version: 1, rst: false }, 30],
    ] as const) {
      const { time, side } = alone('client', undefined, agreed)
      const socket = memorySocket()
      side.socket$.next(socket)
      time.advance(seconds * 1000 - 1)
      expect(side.errors).toEqual([])
      time.advance(1)
      expect(side.errors.map(({ code }) => code)).toEqual(['peer-silent'])
      expect(socket.wasReset).toBe(true)
      // The last words are under way.
      time.advance(1000)
      expect(time.pending()).toBe(0)
    }
  })

  it('keeps an idle connection alive for an hour', () => {
    const { time, client, server } = joined()
    time.advance(3_600_000)
    expect([...client.errors, ...server.errors]).toEqual([])
  })

  describe('with more local connections than there may be streams', () => {
    const full = () => {
      const world = joined()
      const open = Array.from({ length: 256 }, () => world.connect())
      const waiting = [world.connect(), world.connect(), world.connect()]
      return { ...world, open, waiting }
    }

    it('lets the others wait, paused, and resets none', () => {
      const { open, waiting, client, server } = full()
      expect([...open, ...waiting].some(({ wasReset }) => wasReset)).toBe(false)
      expect(open.some(({ log }) => log.includes('pause'))).toBe(false)
      expect(waiting.map(({ paused }) => paused)).toEqual([true, true, true])
      expect([client.streams(), server.streams(), server.dialled.length]).toEqual([256, 256, 256])
    })

    it('gives the places that streams leave, however they end, to those who came first', () => {
      const { open, waiting, client, server, time } = full()
      open[0]!.break()
      time.advance(5)
      expect(waiting.map(({ paused }) => paused)).toEqual([false, true, true])
      open[1]!.receiveEnd()
      server.dialled[1]!.receiveEnd()
      time.advance(5)
      expect(waiting.map(({ paused }) => paused)).toEqual([false, false, true])
      server.dialled[2]!.break()
      time.advance(5)
      expect(waiting.map(({ paused }) => paused)).toEqual([false, false, false])
      for (const socket of waiting) socket.receive(Uint8Array.of(7))
      time.advance(5)
      expect(server.dialled.slice(256).map(({ written }) => [...written])).toEqual([[7], [7], [7]])
      expect([client.streams(), server.streams(), client.errors.length]).toEqual([256, 256, 0])
    })

    it('forgets one that leaves before its turn', () => {
      const { open, waiting, server, time } = full()
      waiting[0]!.break()
      expect(waiting[0]!.subscribed).toBe(false)
      open[0]!.break()
      time.advance(5)
      expect([waiting[1]!.paused, server.dialled.length]).toEqual([false, 257])
      waiting[1]!.receive(Uint8Array.of(1))
      time.advance(5)
      expect([...server.dialled[256]!.written]).toEqual([1])
    })

    it('resets those that wait too, when it ends', () => {
      const { waiting, client } = full()
      client.subscription.unsubscribe()
      expect(waiting.map(({ wasReset, subscribed }) => [wasReset, subscribed])).toEqual([
        [true, false],
        [true, false],
        [true, false],
      ])
    })
  })

  it('keeps effects in order when a socket answers from within its own accept', () => {
    const answer = patternBytes(5, 0, 9000)
    const { received, say, side } = alone('server', () =>
      memorySocket({
        onStart: socket => {
          socket.receive(answer)
          socket.receiveEnd()
        },
      }),
    )
    const streams = [3, 5, 7]
    for (const streamId of streams) {
      say({ command: 'syn', streamId }, { command: 'psh', streamId, data: patternBytes(1, 0, 10) })
    }
    say(...streams.map((streamId): Frame => ({ command: 'fin', streamId })))
    for (const [index, id] of streams.entries()) {
      const own = received.filter(({ streamId }) => streamId === id)
      expect(own.map(({ command }) => command)).toEqual(['psh', 'psh', 'psh', 'fin', 'upd'])
      expect(side.dialled[index]!.log).toEqual(['write 10', 'end'])
    }
    expect(side.streams()).toBe(0)
  })

  it('delivers all frames of one message in their order', () => {
    const { there, say, side, time } = alone('server')
    const message = [
      encodeFrames([{ command: 'syn', streamId: 3 }], 2),
      encodeFrames([{ command: 'psh', streamId: 3, data: patternBytes(1, 0, 5000) }], 2),
      encodeFrames([{ command: 'fin', streamId: 3 }], 2),
    ]
    there.send(Buffer.concat(message))
    time.advance(5)
    say()
    expect(side.dialled[0]!.log).toEqual(['write 5000', 'end'])
  })

  it('frees everything when it is unsubscribed from: sockets reset, no timer, nothing subscribed', () => {
    const { time, here, there, client, server, connect } = joined()
    const sockets = [connect(), connect()]
    client.subscription.unsubscribe()
    server.subscription.unsubscribe()
    expect([...sockets, ...server.dialled].every(({ wasReset, subscribed }) => wasReset && !subscribed)).toBe(true)
    expect([here.subscriptions, there.subscriptions]).toEqual([0, 0])
    expect(client.socket$.observed).toBe(false)
    time.advance(10)
    expect(time.pending()).toBe(0)
  })

  it('does nothing before it is subscribed to', () => {
    const time = virtualTime()
    const [channel] = memoryChannelPair({ scheduler: time.scheduler })
    session$({
      channel,
      role: 'client',
      agreement,
      socket$: NEVER,
      roundTripMs$: EMPTY,
      clock: time.clock,
      scheduler: time.scheduler,
    })
    expect([channel.subscriptions, time.pending()]).toEqual([0, 0])
  })
})

describe('the coins of a session', () => {
  const withReceipts: MuxAgreement = { ...agreement, receipts: true }
  const payload = (frames: readonly Frame[]): number =>
    frames.reduce((sum, frame) => sum + (frame.command === 'psh' ? frame.data.length : 0), 0)
  const of = <Type extends SessionEvent['type']>(side: Side, type: Type): (SessionEvent & { type: Type })[] =>
    side.events.filter((event): event is SessionEvent & { type: Type } => event.type === type)
  const bytesOf = (receipt: number): FramedReceipt => ({ bytes: receipt, signature: new Uint8Array(64).fill(receipt) })
  /** A server whose program says so much at once. */
  const serving = (credit: SessionOptions['credit'], bytes: number, more: Partial<SessionOptions> = {}) =>
    alone(
      'server',
      () => memorySocket({ onStart: socket => socket.receive(patternBytes(1, 0, bytes)) }),
      withReceipts,
      { credit, ...more },
    )
  const creditOf = (credit$: BehaviorSubject<number>): NonNullable<SessionOptions['credit']> => ({
    bytes: () => credit$.value,
    grown$: credit$,
  })

  it('sends no more than it has credit for', () => {
    const credit$ = new BehaviorSubject(0)
    const { say, received, side } = serving(creditOf(credit$), 200_000)
    say({ command: 'syn', streamId: 3 })
    expect(payload(received)).toBe(0)
    expect(of(side, 'awaiting-credit').at(-1)).toEqual({ type: 'awaiting-credit', on: true })
    for (const [limit, expected] of [
      [70_000, 70_000],
      [70_001, 70_001],
      [10, 70_001],
      [1e9, 200_000],
    ] as const) {
      credit$.next(limit)
      say()
      expect(payload(received)).toBe(expected)
    }
    expect(of(side, 'awaiting-credit').map(({ on }) => on)).toEqual([false, true, false])
    expect(of(side, 'bytes').at(-1)).toEqual({
      type: 'bytes',
      sentBytes: 200_000,
      receivedBytes: 0,
      payableBytes: 0,
    })
  })

  it('has credit without end where nobody limits it', () => {
    const { say, received } = serving(undefined, 200_000)
    say({ command: 'syn', streamId: 3 })
    expect(payload(received)).toBe(200_000)
  })

  it('asks for the credit anew when what it sent changes it, and goes on', () => {
    const credit$ = new BehaviorSubject(1000)
    const { say, received, side, time } = serving(creditOf(credit$), 100_000)
    side.subscription.add(
      time.scheduler.schedule(function () {
        const sent = of(side, 'bytes').at(-1)?.sentBytes ?? 0
        credit$.next(sent + 1000)
        if (sent < 100_000) this.schedule(undefined, 1)
      }),
    )
    say({ command: 'syn', streamId: 3 })
    time.advance(1_000)
    expect(payload(received)).toBe(100_000)
  })

  it('reports bytes before the streams that they ended', () => {
    const { say, side } = alone('server', () => memorySocket({ reads: false }), withReceipts)
    say({ command: 'syn', streamId: 3 }, { command: 'psh', streamId: 3, data: patternBytes(1, 0, 500) })
    side.dialled[0]!.receiveEnd()
    const before = side.events.length
    say({ command: 'fin', streamId: 3 })
    const news = side.events.slice(before).filter(({ type }) => type !== 'traffic')
    expect(news).toEqual([
      { type: 'bytes', sentBytes: 0, receivedBytes: 500, payableBytes: 500 },
      { type: 'streams', open: 0 },
    ])
  })

  it('counts what the programs have consumed', () => {
    const { say, side, time } = alone('server', () => memorySocket({ reads: false }), withReceipts)
    say({ command: 'syn', streamId: 3 }, { command: 'psh', streamId: 3, data: patternBytes(1, 0, 500) })
    expect(of(side, 'bytes').at(-1)).toMatchObject({ receivedBytes: 500, payableBytes: 0 })
    side.dialled[0]!.consume(300)
    time.advance(1)
    expect(of(side, 'bytes').at(-1)).toMatchObject({ receivedBytes: 500, payableBytes: 300 })
  })

  it('sends receipts where they were agreed, and passes on those that come', () => {
    for (const agreed of [withReceipts, agreement]) {
      const receipt$ = new Subject<FramedReceipt>()
      const { received, side, time, say } = alone('client', undefined, agreed, { receipt$ })
      say({ command: 'nop', streamId: 0 })
      receipt$.next(bytesOf(7))
      time.advance(5)
      const rcp: Frame = { command: 'rcp', streamId: 0, ...bytesOf(7) }
      expect(received).toEqual(agreed === withReceipts ? [rcp] : [])
      say({ command: 'rcp', streamId: 0, ...bytesOf(9) })
      if (agreed === withReceipts) expect(of(side, 'receipt')).toEqual([{ type: 'receipt', receipt: bytesOf(9) }])
      else expect(side.errors.map(({ code }) => code)).toEqual(['frame-command'])
      side.subscription.unsubscribe()
      expect(receipt$.observed).toBe(false)
    }
  })

  it('lets the credit and the receipts go when it is unsubscribed from', () => {
    const credit$ = new BehaviorSubject(0)
    const receipt$ = new Subject<FramedReceipt>()
    const { side, time } = serving(creditOf(credit$), 10, { receipt$ })
    time.advance(5)
    side.subscription.unsubscribe()
    expect([credit$.observed, receipt$.observed, time.pending()]).toEqual([false, false, 0])
  })

  it('leaves alone the bytes that a slow program has not consumed, however much comes after them', () => {
    const kept: Uint8Array[] = []
    /** Keeps what it is given, as a socket does whose program does not read, and looks at it only in the end. */
    const slow = (): MemorySocket => {
      const socket = memorySocket({ reads: false })
      return Object.assign(Object.create(socket) as MemorySocket, {
        write(bytes: Uint8Array) {
          kept.push(bytes)
          return 'retained' as const
        },
      })
    }
    let dials = 0
    const { there, time, side } = alone('server', () => (dials++ === 0 ? slow() : memorySocket()), withReceipts)
    const send = (streamId: number, offset: number): void =>
      there.send(encodeFrames([{ command: 'psh', streamId, data: patternBytes(streamId, offset, 20_000) }], 2))
    for (const streamId of [3, 5]) there.send(encodeFrames([{ command: 'syn', streamId }], 2))
    for (let offset = 0; offset < 1_000_000; offset += 20_000) {
      if (offset < 260_000) send(3, offset)
      send(5, offset)
      time.advance(2)
    }
    expect(kept.reduce((sum, { length }) => sum + length, 0)).toBe(260_000)
    expect(isSame(Buffer.concat(kept), patternBytes(3, 0, 260_000))).toBe(true)
    expect(isSame(side.dialled[1]!.written, patternBytes(5, 0, 1_000_000))).toBe(true)
  })
})
