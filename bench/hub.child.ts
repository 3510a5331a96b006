/** A hub in a process of its own, as `lighthouse-peer hub` runs it, without limits on what one address or key may ask. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { firstValueFrom, ReplaySubject, type Subscription } from 'rxjs'
import { createHub$, type Hub } from '../src/hub/app.js'
import { answerCalls } from './rpc.js'

/** Above all that is asked for here, which comes from one address and few keys. */
const noLimit = 10_000_000

const rateLimits = {
  signalBurst: noLimit,
  signalsPerSecond: noLimit,
  offerBurst: noLimit,
  offersPerMinute: noLimit,
  receiptBurst: noLimit,
  receiptsPerSecond: noLimit,
  offerBurstPerAddress: noLimit,
  offersPerMinutePerAddress: noLimit,
  receiptBurstPerAddress: noLimit,
  receiptsPerSecondPerAddress: noLimit,
  loginsPerMinute: noLimit,
  connectionsPerAddress: noLimit,
  socketsPerAddress: noLimit,
  handshakesPerMinute: noLimit,
}

/** For what the engine frees late. */
const settleMs = 500

export interface HubMemory {
  readonly residentBytes: number
  readonly heapBytes: number
}

const delays = monitorEventLoopDelay({ resolution: 5 })
delays.enable()

let running: Subscription | undefined

answerCalls({
  start: ({ database, redis }: { database: string; redis?: string }): Promise<Hub> => {
    const hub$ = new ReplaySubject<Hub>(1)
    running = createHub$({ port: 0, database, rateLimits, ...(redis !== undefined && { redis }) }).subscribe(hub$)
    return firstValueFrom(hub$)
  },
  close: (): void => running?.unsubscribe(),
  /** After a collection, where `--expose-gc` was given. */
  memory: async (): Promise<HubMemory> => {
    ;(globalThis as { gc?: () => void }).gc?.()
    await pause(settleMs)
    const { rss, heapUsed } = process.memoryUsage()
    return { residentBytes: rss, heapBytes: heapUsed }
  },
  /** Milliseconds of processor time so far. */
  cpu: (): number => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  },
  /** The longest time for which the event loop did not turn, in milliseconds, since the last call. */
  stalled: (): number => {
    const milliseconds = delays.max / 1e6
    delays.reset()
    return milliseconds
  },
})
