import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { filter, firstValueFrom, ReplaySubject } from 'rxjs'
import type { Opened, Received } from '../../support/transfer.node.js'

/** A player: reads an answer no faster than a film is seen. */
export interface Player {
  /** Resolves when so much of it was read; rejects when it breaks. */
  reached(bytes: number): Promise<unknown>
  /** How long it had to wait for something to read, at most, since it was asked last. */
  longestWaitMs(): number
  readonly ended: Promise<Received>
}

export function play({ message }: Opened, bytesPerSecond: number): Player {
  const read$ = new ReplaySubject<number>(1)
  const beganMs = performance.now()
  let [bytes, longestMs] = [0, 0]
  const read = async (): Promise<Received> => {
    const hash = createHash('sha256')
    let askedMs = performance.now()
    for await (const chunk of message as AsyncIterable<Uint8Array>) {
      longestMs = Math.max(longestMs, performance.now() - askedMs)
      hash.update(chunk)
      bytes += chunk.length
      read$.next(bytes)
      const dueMs = beganMs + (1_000 * bytes) / bytesPerSecond
      await delay(Math.max(0, dueMs - performance.now()))
      askedMs = performance.now()
    }
    return { bytes, sha256: hash.digest('hex') }
  }
  const ended = read()
  ended.then(
    () => read$.complete(),
    (error: unknown) => read$.error(error),
  )
  return {
    reached: wanted => firstValueFrom(read$.pipe(filter(so => so >= wanted))),
    longestWaitMs() {
      const waitedMs = longestMs
      longestMs = 0
      return waitedMs
    },
    ended,
  }
}
