import { once } from 'node:events'
import { describe, expect, it } from '@jest/globals'
import type { SocketEvent } from '../../../src/ports.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { VirtualStream } from '../../../src/adapters/tunnels/virtual-stream.node.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

function opened() {
  const stream = new VirtualStream()
  const events: (SocketEvent | string)[] = []
  const subscription = stream.socket.event$.subscribe({
    next: event => events.push(event.type === 'chunk' ? Buffer.from(event.bytes).toString() : event),
    error: (error: LighthouseError) => events.push(error.code),
    complete: () => events.push('complete'),
  })
  return { stream, events, subscription }
}

describe('VirtualStream', () => {
  it('is a connection between what is written to it and its socket, with both ends', async () => {
    const { stream, events } = opened()
    stream.end('request')
    await once(stream, 'finish')
    stream.socket.write(bytes('answer'))
    stream.socket.end()
    const [[answer]] = (await Promise.all([once(stream, 'data'), once(stream, 'close')])) as [[Buffer], unknown]
    expect(answer.toString()).toBe('answer')
    expect(events).toEqual(['request', { type: 'end' }, { type: 'consumed', bytes: 6 }, 'complete'])
  })

  it('holds what is written while it is paused, and one who writes waits', () => {
    const { stream, events } = opened()
    stream.socket.pause()
    stream.write('one')
    stream.write('two')
    expect(events).toEqual([])
    stream.socket.resume()
    expect(events).toEqual(['one', 'two'])
    stream.destroy()
  })

  it('reports bytes as consumed only once its reader wants more', () => {
    const { stream, events } = opened()
    const chunk = new Uint8Array(40_000)
    stream.socket.write(chunk)
    stream.socket.write(chunk)
    expect(events).toEqual([{ type: 'consumed', bytes: 40_000 }])
    expect(stream.read()).toHaveLength(80_000)
    expect(events).toEqual([
      { type: 'consumed', bytes: 40_000 },
      { type: 'consumed', bytes: 40_000 },
    ])
    stream.destroy()
  })

  it('keeps no bytes of whoever delivers them', async () => {
    const { stream } = opened()
    const chunk = bytes('first')
    stream.socket.write(chunk)
    chunk.fill(0)
    expect(String((await once(stream, 'data'))[0])).toBe('first')
    stream.destroy()
  })

  it('breaks with the reason of a reset', async () => {
    const { stream, events } = opened()
    const reason = new LighthouseError('no-coins', 'empty')
    const failed = once(stream, 'error')
    stream.socket.reset(reason)
    stream.socket.reset()
    expect((await failed)[0]).toBe(reason)
    expect([events, stream.errored]).toEqual([['no-coins'], reason])
  })

  it('breaks on the other side when it is destroyed, or nobody carries it any more', async () => {
    const { stream, events } = opened()
    stream.destroy()
    await once(stream, 'close')
    expect(events).toEqual(['stream-reset'])
    const left = opened()
    const failed = once(left.stream, 'error')
    left.subscription.unsubscribe()
    expect((await failed)[0]).toMatchObject({ code: 'stream-reset' })
  })
})
