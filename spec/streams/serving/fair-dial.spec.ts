import { describe, expect, it } from '@jest/globals'
import type { ByteSocket, SocketEvent } from '../../../src/ports.js'
import type { LighthouseError } from '../../../src/protocol/errors.js'
import { fairDial, maxStreamsPerKey, maxUnreadBytes } from '../../../src/streams/serving/fair-dial.js'
import { type MemorySocket, memorySocket } from '../../support/memory-socket.js'

function world(limits = { total: 8, perKey: 2 }, reads = true) {
  const dialled: { readonly key: string; readonly socket: MemorySocket }[] = []
  const dial = fairDial(key => {
    const socket = memorySocket({ reads })
    dialled.push({ key, socket })
    return socket
  }, limits)
  const stream = (key: string) => {
    const socket: ByteSocket = dial(key)
    const events: SocketEvent[] = []
    const outcome: string[] = []
    const subscription = socket.event$.subscribe({
      next: event => events.push(event),
      error: ({ code }: LighthouseError) => outcome.push(code),
      complete: () => outcome.push('complete'),
    })
    return { socket, events, outcome, subscription }
  }
  return { dialled, stream, keys: () => dialled.map(({ key }) => key).join('') }
}

describe('fairDial', () => {
  it('dials at once while a key has its share, and is the dialled socket then', () => {
    const { dialled, stream } = world()
    const { socket, events, outcome } = stream('a')
    const { socket: real } = dialled[0]!
    socket.write(Uint8Array.of(1, 2))
    real.receive(Uint8Array.of(3))
    socket.pause()
    socket.resume()
    real.receiveEnd()
    socket.end()
    expect([...real.written]).toEqual([1, 2])
    expect(real.log).toEqual(['write 2', 'pause', 'resume', 'end'])
    expect(events).toEqual([
      { type: 'consumed', bytes: 2 },
      { type: 'chunk', bytes: Uint8Array.of(3) },
      { type: 'end' },
    ])
    expect(outcome).toEqual(['complete'])
  })

  it('lets streams beyond wait, and dials for each as another one of its key is over', () => {
    const { dialled, stream, keys } = world()
    stream('a')
    stream('a')
    const waiting = stream('a')
    stream('b')
    expect(keys()).toBe('aab')
    waiting.socket.write(Uint8Array.of(1))
    waiting.socket.write(Uint8Array.of(2))
    waiting.socket.pause()
    waiting.socket.end()
    expect(waiting.events).toEqual([])
    dialled[0]!.socket.break()
    expect(keys()).toBe('aaba')
    const { socket } = dialled[3]!
    expect([...socket.written]).toEqual([1, 2])
    expect(socket.log[0]).toBe('pause')
    expect(socket.log.at(-1)).toBe('end')
    expect(waiting.events.map(event => event.type === 'consumed' && event.bytes).reduce((a, b) => +a + +b)).toBe(2)
  })

  it('keeps what is written early in memory of its own', () => {
    const { dialled, stream } = world({ total: 2, perKey: 1 })
    const first = stream('a')
    const waiting = stream('a')
    const scratch = new Uint8Array(5000).fill(7)
    expect(waiting.socket.write(scratch)).toBe('copied')
    scratch.fill(0)
    first.socket.reset()
    expect(dialled[1]!.socket.written).toEqual(new Uint8Array(5000).fill(7))
  })

  it('forgets a stream that leaves before its turn, by an abort or by nobody who listens', () => {
    const { stream, keys, dialled } = world({ total: 2, perKey: 1 })
    stream('a')
    const [aborted, left] = [stream('a'), stream('a')]
    stream('b')
    aborted.socket.reset()
    left.subscription.unsubscribe()
    expect(aborted.outcome).toEqual(['stream-reset'])
    dialled[0]!.socket.break()
    expect(keys()).toBe('ab')
  })

  it.each(['complete', 'error', 'unsubscribe'] as const)('gives the turn on at its end: %s', end => {
    const { stream, keys, dialled } = world({ total: 2, perKey: 1 })
    const first = stream('a')
    stream('a')
    const { socket } = dialled[0]!
    if (end === 'complete') {
      socket.receiveEnd()
      expect(keys()).toBe('a')
      first.socket.end()
    } else if (end === 'error') socket.break()
    else first.subscription.unsubscribe()
    expect(keys()).toBe('aa')
  })

  it('resets the stream of the fullest key that has rested longest, for the first one of another key', () => {
    const { stream, keys, dialled } = world({ total: 4, perKey: 3 })
    const [first, second] = [stream('a'), stream('a')]
    const others = [stream('b'), stream('c')]
    expect(keys()).toBe('aabc')
    dialled[0]!.socket.receive(Uint8Array.of(1))
    const next = [stream('d'), stream('e')]
    expect(keys()).toBe('aabcd')
    expect([first, second, ...others, ...next].map(({ outcome }) => outcome.at(-1))).toEqual([
      undefined,
      'stream-reset',
      undefined,
      undefined,
      undefined,
      undefined,
    ])
    expect(dialled[1]!.socket.wasReset).toBe(true)
    others[0]!.socket.reset()
    expect(keys()).toBe('aabcde')
  })

  it('refuses the 513th stream of a key, and not the first of another one', () => {
    const { stream } = world({ total: 8, perKey: 2 })
    const streams = Array.from({ length: maxStreamsPerKey }, () => stream('a'))
    const more = stream('a')
    expect(streams.every(({ outcome }) => outcome.length === 0)).toBe(true)
    expect([more.outcome, more.socket.write(Uint8Array.of(1)), stream('b').outcome]).toEqual([
      ['too-many-streams'],
      'copied',
      [],
    ])
    streams[7]!.subscription.unsubscribe()
    expect(stream('a').outcome).toEqual([])
  })

  it('resets the stream with which a key has more unread than it may, and no other', () => {
    const { stream, dialled } = world({ total: 8, perKey: 1 }, false)
    const [open, waiting, more, other] = [stream('a'), stream('a'), stream('a'), stream('b')]
    const half = new Uint8Array(maxUnreadBytes / 2)
    open.socket.write(half)
    waiting.socket.write(half)
    expect([open, waiting, more].map(({ outcome }) => outcome)).toEqual([[], [], []])
    more.socket.write(Uint8Array.of(1))
    other.socket.write(half)
    expect([open, waiting, more, other].map(({ outcome }) => outcome)).toEqual([[], [], ['stream-overrun'], []])
    // What a stream had goes with it, and what is taken no longer counts.
    waiting.socket.reset()
    dialled[0]!.socket.consume()
    const next = stream('a')
    next.socket.write(new Uint8Array(maxUnreadBytes))
    open.socket.write(Uint8Array.of(1))
    expect([next.outcome, open.outcome, dialled[0]!.socket.wasReset]).toEqual([[], ['stream-overrun'], true])
  })
})
