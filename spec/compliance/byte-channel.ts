import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { firstValueFrom, lastValueFrom, map, scan, takeWhile, toArray } from 'rxjs'
import type { ByteChannel } from '../../src/ports.js'
import { isSame, patternBytes } from '../support/pattern.js'
import type { ChannelPair } from './support/pairs.js'
import { random } from '../support/random.js'
import { backTo, resources } from './support/resources.js'

interface Sent {
  readonly drainedBytes: number
  readonly mostAheadBytes: number
  /** Whether more was ever reported as drained than had been sent. */
  readonly overdrained: boolean
}

/** Sends these sizes of the pattern `name` as a sender that keeps to the rules does, until all of it has left. */
function sendAll(channel: ByteChannel, name: number, sizes: readonly number[]): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const total = sizes.reduce((sum, size) => sum + size, 0)
    let index = 0
    let sentBytes = 0
    let drainedBytes = 0
    let mostAheadBytes = 0
    let overdrained = false
    const pump = (): void => {
      while (index < sizes.length && sentBytes - drainedBytes < channel.highWaterBytes) {
        const size = sizes[index++]!
        channel.send(patternBytes(name, sentBytes, size).slice())
        sentBytes += size
        mostAheadBytes = Math.max(mostAheadBytes, sentBytes - drainedBytes)
      }
    }
    const subscription = channel.drained$.subscribe({
      next: bytes => {
        drainedBytes += bytes
        overdrained ||= drainedBytes > sentBytes
        if (drainedBytes >= total) {
          subscription.unsubscribe()
          resolve({ drainedBytes, mostAheadBytes, overdrained })
        } else pump()
      },
      error: reject,
    })
    pump()
  })
}

/** Takes so many bytes and says whether they were the pattern `name`, in order. */
async function receiveAll(channel: ByteChannel, name: number, total: number): Promise<boolean> {
  const seen$ = channel.message$.pipe(
    scan(
      ({ offset, same }, message) => ({
        offset: offset + message.length,
        same: same && isSame(message, patternBytes(name, offset, message.length)),
      }),
      { offset: 0, same: true },
    ),
    takeWhile(({ offset }) => offset < total, true),
  )
  const { offset, same } = await lastValueFrom(seen$)
  return same && offset === total
}

/** Random sizes from 1 byte to the largest that the channel takes, small and large ones alike. */
function randomSizes(seed: number, count: number, most: number): readonly number[] {
  const next = random(seed)
  return Array.from({ length: count }, () => Math.max(1, Math.floor(most ** next())))
}

/** What every ByteChannel has to do, whatever it is made of. */
export function describeByteChannel(name: string, makePair: () => Promise<ChannelPair>): void {
  describe(`a byte channel: ${name}`, () => {
    let before: Readonly<Record<string, number>>
    let pair: ChannelPair

    beforeEach(async () => {
      before = resources()
      pair = await makePair()
    })

    afterEach(async () => {
      for (const close of pair.close) close()
      await backTo(before)
    })

    it('carries messages of 1 B to 256 KiB both ways at once, whole and in order, within its mark', async () => {
      const [a, b] = pair.channels
      const most = Math.min(a.maxMessageBytes, b.maxMessageBytes)
      const there = [...randomSizes(7, 200, most), most, 1]
      const back = [most, ...randomSizes(8, 200, most)]
      const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0)
      const [sentThere, sentBack, cameThere, cameBack] = await Promise.all([
        sendAll(a, 1, there),
        sendAll(b, 2, back),
        receiveAll(b, 1, sum(there)),
        receiveAll(a, 2, sum(back)),
      ])
      expect([cameThere, cameBack]).toEqual([true, true])
      for (const [sent, sizes] of [
        [sentThere, there],
        [sentBack, back],
      ] as const) {
        expect(sent.drainedBytes).toBe(sum(sizes))
        expect(sent.overdrained).toBe(false)
        expect(sent.mostAheadBytes).toBeLessThanOrEqual(a.highWaterBytes + most)
      }
    })

    it('keeps what arrives before anybody reads', async () => {
      const [a, b] = pair.channels
      const early = receiveAll(a, 2, 10)
      a.send(patternBytes(1, 0, 70_000).slice())
      b.send(patternBytes(2, 0, 10).slice())
      expect(await early).toBe(true)
      // Behind it on the same way, so that it has arrived by the time it is read.
      a.send(patternBytes(1, 70_000, 5).slice())
      expect(await receiveAll(b, 1, 70_005)).toBe(true)
    })

    it('completes its messages when the other side closes, after all that was sent', async () => {
      const [a, b] = pair.channels
      const received = firstValueFrom(
        b.message$.pipe(
          map(({ length }) => length),
          toArray(),
        ),
      )
      const sent = sendAll(a, 1, [100])
      const answered = receiveAll(a, 2, 1)
      b.send(patternBytes(2, 0, 1).slice())
      await Promise.all([sent, answered])
      pair.close[0]()
      expect((await received).every(length => length === 100)).toBe(true)
    })

    it('throws channel-closed when there is nobody to send to any more', async () => {
      const [, b] = pair.channels
      const over = lastValueFrom(b.message$, { defaultValue: undefined })
      pair.close[0]()
      await over
      expect(() => b.send(new Uint8Array(1))).toThrow(expect.objectContaining({ code: 'channel-closed' }))
    })

    it('leaves nothing behind when both sides close in the middle of a transfer', async () => {
      const [a, b] = pair.channels
      const reading = b.message$.subscribe()
      const first = firstValueFrom(a.drained$)
      for (let sent = 0; sent < a.highWaterBytes; sent += 65_536) a.send(patternBytes(1, sent, 65_536).slice())
      await first
      for (const close of pair.close) close()
      reading.unsubscribe()
      await backTo(before)
      expect(Object.entries(resources()).filter(([kind, count]) => count > (before[kind] ?? 0))).toEqual([])
    })
  })
}
