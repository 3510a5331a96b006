import { describe, expect, it } from '@jest/globals'
import { of, Subject } from 'rxjs'
import { memoryChannelPair, type MuxReport, muxSession$, type MuxSessionOptions } from '../src/mux.js'
import { virtualTime } from './streams/support/virtual-time.js'
import { memorySocket, type MemorySocket } from './support/memory-socket.js'
import { isSame, patternBytes } from './support/pattern.js'

describe('muxSession$', () => {
  it('carries a socket over a channel and back with what it uses by default, and reports no coins', async () => {
    const [near, far] = memoryChannelPair()
    const reports: MuxReport[] = []
    const errors: unknown[] = []
    const dialled = new Subject<MemorySocket>()
    const got = new Promise<MemorySocket>(resolve => dialled.subscribe(resolve))
    const local = memorySocket({ onStart: socket => socket.receive(patternBytes(1, 0, 100_000)) })
    const observer = {
      next: (report: MuxReport) => reports.push(report),
      error: (error: unknown) => errors.push(error),
    }
    const server = muxSession$({
      channel: far,
      role: 'server',
      dial: () => {
        const socket = memorySocket()
        dialled.next(socket)
        return socket
      },
    }).subscribe(observer)
    const client = muxSession$({ channel: near, role: 'client', socket$: of(local) }).subscribe(observer)
    const remote = await got
    await new Promise(setImmediate)
    expect(isSame(remote.written, patternBytes(1, 0, 100_000))).toBe(true)
    expect(new Set(reports.map(({ type }) => type))).toEqual(new Set(['streams']))
    client.unsubscribe()
    await new Promise(setImmediate)
    expect(remote.log.at(-1)).toBe('reset')
    server.unsubscribe()
    expect(errors).toEqual([])
  })

  it('leaves nothing when it is unsubscribed from', () => {
    const time = virtualTime()
    const [channel] = memoryChannelPair({ scheduler: time.scheduler })
    muxSession$({ channel, role: 'client', clock: time.clock, scheduler: time.scheduler }).subscribe().unsubscribe()
    time.advance(5)
    expect(time.pending()).toBe(0)
  })

  const [channel] = memoryChannelPair()
  it.each<[string, object]>([
    ['channel', { role: 'client' }],
    ['channel', { channel: {}, role: 'client' }],
    ['role', { channel, role: 'peer' }],
    ['dial', { channel, role: 'server', dial: 80 }],
    ['agreement', { channel, role: 'client', agreement: 2 }],
    ['version', { channel, role: 'client', agreement: { version: 3, rst: true } }],
    ['socket$', { channel, role: 'client', socket$: [] }],
    ['roundTripMs$', { channel, role: 'client', roundTripMs$: 20 }],
    ['clock', { channel, role: 'client', clock: {} }],
    ['credit', { channel, role: 'client', credit: {} }],
  ])('refuses options at the door, and names the field: %s', (field, options) => {
    expect(() => muxSession$(options as MuxSessionOptions)).toThrow(
      expect.objectContaining({ code: 'invalid-option', details: { field } }),
    )
  })
})
