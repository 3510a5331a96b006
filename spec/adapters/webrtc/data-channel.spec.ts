import { describe, expect, it } from '@jest/globals'
import type { Subscription } from 'rxjs'
import { type RtcDataChannel, rtcChannel$ } from '../../../src/adapters/webrtc/data-channel.js'
import type { ByteChannel } from '../../../src/ports.js'

type Listener = (event: object) => void

/** A data channel whose other side and buffer are the spec. */
class FakeDataChannel implements RtcDataChannel {
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly sent: Uint8Array[] = []
  bufferedAmount = 0
  bufferedAmountLowThreshold = -1
  binaryType = 'blob'
  constructor(public readyState: string) {}
  send(data: Uint8Array): void {
    if (this.readyState !== 'open') throw new Error('InvalidStateError')
    this.sent.push(data)
    this.bufferedAmount += data.length
  }
  close(): void {
    this.readyState = 'closing'
  }
  addEventListener(type: string, listener: Listener): void {
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners.add(listener))
  }
  removeEventListener(type: string, listener: Listener): void {
    this.#listeners.get(type)?.delete(listener)
  }
  emit(type: string, data?: unknown): void {
    for (const listener of this.#listeners.get(type) ?? []) listener({ data })
  }
  listeners(): number {
    return [...this.#listeners.values()].reduce((sum, { size }) => sum + size, 0)
  }
}

function scene(readyState = 'open', highWaterBytes = 1000) {
  const fake = new FakeDataChannel(readyState)
  const channels: ByteChannel[] = []
  const outcomes: unknown[] = []
  const subscription: Subscription = rtcChannel$(fake, { highWaterBytes }).subscribe({
    next: channel => channels.push(channel),
    error: error => outcomes.push(error),
    complete: () => outcomes.push('complete'),
  })
  const read = () => {
    const messages: unknown[] = []
    channels[0]!.message$.subscribe({
      next: message => messages.push([...message]),
      error: (error: { readonly code: string }) => messages.push(error.code),
      complete: () => messages.push('complete'),
    })
    return messages
  }
  return { fake, channels, outcomes, subscription, read }
}

describe('rtcChannel$', () => {
  it('emits the channel when it opens, and at once where it is open', () => {
    expect(scene('open').channels).toHaveLength(1)
    const { fake, channels } = scene('connecting')
    expect(channels).toEqual([])
    fake.emit('open')
    expect(channels).toHaveLength(1)
    expect(fake.binaryType).toBe('arraybuffer')
  })

  it('completes when it is closed already, or closes, after what arrived', () => {
    expect(scene('closed').outcomes).toEqual(['complete'])
    const { fake, outcomes, read } = scene()
    const messages = read()
    fake.emit('message', Uint8Array.of(1).buffer)
    fake.emit('close')
    expect([messages, outcomes]).toEqual([[[1], 'complete'], ['complete']])
    expect(fake.listeners()).toBe(0)
  })

  it('keeps what arrives before anybody reads, and its end', () => {
    const { fake, read } = scene()
    fake.emit('message', Uint8Array.of(1, 2).buffer)
    fake.emit('message', Uint8Array.of(0, 3).subarray(1))
    fake.emit('close')
    expect(read()).toEqual([[1, 2], [3], 'complete'])
  })

  it('keeps 1 MiB of it and no more', () => {
    const { fake, outcomes } = scene()
    fake.emit('message', new ArrayBuffer(1024 * 1024))
    expect(outcomes).toEqual([])
    fake.emit('message', new ArrayBuffer(1))
    expect(outcomes).toMatchObject([{ code: 'protocol-violation' }])
    expect([fake.listeners(), fake.readyState]).toEqual([0, 'closing'])
  })

  it.each([['a text'], [{ size: 3 }], [undefined]])('errors for what is no bytes: %j', data => {
    const { fake, outcomes, read } = scene()
    const messages = read()
    fake.emit('message', data)
    expect([messages, outcomes]).toMatchObject([['protocol-violation'], [{ code: 'protocol-violation' }]])
  })

  it('errors with webrtc-failed when the channel does', () => {
    const { fake, outcomes, read } = scene()
    const messages = read()
    fake.emit('error')
    expect([messages, outcomes]).toMatchObject([['webrtc-failed'], [{ code: 'webrtc-failed' }]])
  })

  it('reports what has left at bufferedamountlow, which comes at a quarter of what it may hold', () => {
    const { fake, channels } = scene()
    const left: number[] = []
    channels[0]!.drained$.subscribe(bytes => left.push(bytes)).add(() => left.push(-1))
    expect(fake.bufferedAmountLowThreshold).toBe(250)
    channels[0]!.send(new Uint8Array(1000))
    fake.bufferedAmount = 200
    fake.emit('bufferedamountlow')
    expect(left).toEqual([800])
  })

  it('throws channel-closed for what cannot be sent', () => {
    const { fake, channels } = scene()
    fake.readyState = 'closed'
    expect(() => channels[0]!.send(new Uint8Array(1))).toThrow(expect.objectContaining({ code: 'channel-closed' }))
  })

  it('closes the channel and forgets it when it is unsubscribed from', () => {
    const { fake, subscription } = scene()
    subscription.unsubscribe()
    expect([fake.listeners(), fake.readyState]).toEqual([0, 'closing'])
  })

  it('takes no other thing for a channel', () => {
    expect(() => rtcChannel$({} as RtcDataChannel)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
  })
})
