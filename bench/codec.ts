/**
 * What framing and multiplexing cost by themselves, in memory: `node --expose-gc dist/bench/codec.js`.
 * Rates are payload bytes; one warm-up, then the median of five rounds.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { from, lastValueFrom, map, reduce } from 'rxjs'
import { deframe } from '../src/operators/deframe.js'
import { frame } from '../src/operators/frame.js'
import { createDeframer, stepDeframer } from '../src/protocol/mux/deframer.js'
import { groupFrames } from '../src/protocol/mux/pack.js'
import { createMux, step } from '../src/protocol/mux/step.js'
import { defaultMuxConfig } from '../src/protocol/mux/config.js'
import type { MuxEvent, MuxState } from '../src/protocol/mux/state.js'
import { encodeFrames, type Frame, maxSentDataBytes, type MuxVersion } from '../src/protocol/mux/frame.js'

const rounds = 5
const totalBytes = 256 * 1024 * 1024
const collect = (globalThis as { gc?: () => void }).gc

interface Row {
  readonly what: string
  readonly megabytesPerSecond: number
  /** Heap and array-buffer bytes allocated for each frame; NaN without --expose-gc. */
  readonly bytesPerFrame: number
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}

/** Runs `work` a few times; it returns the payload bytes that it moved. */
async function rate(work: () => number | Promise<number>): Promise<number> {
  await work()
  const rates: number[] = []
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    const bytes = await work()
    rates.push(bytes / 1000 / (performance.now() - start))
  }
  return median(rates)
}

/** Calls in a batch, and batches: few enough in one that hardly any holds a collection, enough that the median has none. */
const batchCalls = 20
const batches = 51

/** What the engine frees after a collection it frees on another thread, some milliseconds later. */
const sweepMs = 100

/**
 * Bytes that a call of `work` allocates: the median of many small batches, less what looking costs. Results are kept to
 * the end, so that none of them is given back while others are counted.
 */
async function allocated(work: () => unknown): Promise<number> {
  if (collect === undefined) return Number.NaN
  const kept: unknown[] = Array.from({ length: batchCalls * batches })
  const looked = new Float64Array(2 * batches)
  const bytesOf = (calls: number): number => {
    for (let index = 0; index < batches; index++) {
      looked[2 * index] = memory()
      for (let call = 0; call < calls; call++) kept[index * batchCalls + call] = work()
      looked[2 * index + 1] = memory()
    }
    return median(Array.from({ length: batches }, (_, index) => looked[2 * index + 1]! - looked[2 * index]!))
  }
  // The first time warms up: what is compiled later is compiled with what it learned.
  bytesOf(batchCalls)
  collect()
  await pause(sweepMs)
  const looking = bytesOf(0)
  return (bytesOf(batchCalls) - looking) / batchCalls
}

function memory(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

async function codec(dataBytes: number): Promise<readonly Row[]> {
  const data = new Uint8Array(dataBytes).fill(7)
  const value: Frame = { command: 'psh', streamId: 3, data }
  const count = Math.floor(totalBytes / dataBytes)
  const wire = encodeFrames([value], 2)
  const message = new Uint8Array(wire.length * Math.max(1, Math.floor(65_536 / wire.length)))
  for (let offset = 0; offset < message.length; offset += wire.length) message.set(wire, offset)
  const agreement = { version: 2, rst: true } as const
  const perMessage = message.length / wire.length
  const framesPerValue = Math.ceil(dataBytes / maxSentDataBytes)
  const frames = Array.from({ length: count }, () => value)
  const messages = Array.from({ length: Math.ceil(count / perMessage) }, () => message)
  const total = (lengths: number, more: number): number => lengths + more
  const name = `${dataBytes / 1024} KiB`
  return [
    {
      what: `frame(), ${name} data`,
      megabytesPerSecond: await rate(async () => {
        await lastValueFrom(
          from(frames).pipe(
            frame({ version: 2 }),
            map(bytes => bytes.length),
            reduce(total, 0),
          ),
        )
        return count * dataBytes
      }),
      bytesPerFrame: Math.round((await allocated(() => encodeFrames([value], 2))) / framesPerValue),
    },
    {
      what: `deframe(), ${name} data, 64 KiB chunks`,
      megabytesPerSecond: await rate(() =>
        lastValueFrom(
          from(messages).pipe(
            deframe(agreement),
            map(item => (item.command === 'psh' ? item.data.length : 0)),
            reduce(total, 0),
          ),
        ),
      ),
      bytesPerFrame: Math.round(
        (await allocated(() => stepDeframer(createDeframer(agreement), message))) / (perMessage * framesPerValue),
      ),
    },
  ]
}

/** Moves `totalBytes` from a server to a client through two joined states, written in the 64 KiB chunks of sockets. */
function pair(streams: number, version: MuxVersion): number {
  const chunk = new Uint8Array(64 * 1024).fill(7)
  const agreement = { version, rst: true } as const
  const serving = { ...defaultMuxConfig('server', agreement) }
  let server: MuxState = createMux(serving)
  let client: MuxState = createMux(defaultMuxConfig('client', agreement))
  let deframers = [createDeframer(agreement), createDeframer(agreement)] as const
  let moved = 0
  let now = 0
  const toServer: MuxEvent[] = []
  const toClient: MuxEvent[] = []
  const paused = new Set<number>()
  const ids = Array.from({ length: streams }, (_, index) => 3 + 2 * index)

  const run = (isClient: boolean, event: MuxEvent): void => {
    const [next, effects] = step(isClient ? client : server, event)
    if (isClient) client = next
    else server = next
    for (const effect of effects) {
      if (effect.type === 'send') {
        for (const group of groupFrames(effect.frames, serving.maxMessageBytes)) {
          const message = encodeFrames(group, version)
          const [state, frames] = stepDeframer(deframers[isClient ? 1 : 0], message)
          deframers = isClient ? [deframers[0], state] : [state, deframers[1]]
          ;(isClient ? toServer : toClient).push({ type: 'frames', frames, now })
          ;(isClient ? toClient : toServer).push({ type: 'room', bytes: message.length })
        }
      } else if (effect.type === 'deliver') {
        moved += effect.bytes.length
        toClient.push({ type: 'consumed', id: effect.id, bytes: effect.bytes.length, now })
      } else if (effect.type === 'pause') paused.add(effect.id)
      else if (effect.type === 'resume') paused.delete(effect.id)
      else if (effect.type === 'fail') throw effect.error
    }
  }
  const settle = (): void => {
    while (toClient.length > 0 || toServer.length > 0) {
      for (const event of toClient.splice(0)) run(true, event)
      for (const event of toServer.splice(0)) run(false, event)
    }
  }
  for (const id of ids) run(true, { type: 'open', id })
  settle()
  while (moved < totalBytes) {
    now++
    for (const id of ids) if (!paused.has(id)) run(false, { type: 'write', id, bytes: chunk })
    settle()
  }
  return moved
}

async function main(): Promise<void> {
  const rows: Row[] = [...(await codec(4096)), ...(await codec(32_768))]
  for (const streams of [1, 10]) {
    for (const version of [1, 2] as const) {
      const what = `two multiplexers, version ${version}, ${streams} stream${streams > 1 ? 's' : ''}`
      rows.push({ what, megabytesPerSecond: await rate(() => pair(streams, version)), bytesPerFrame: Number.NaN })
    }
  }
  console.log(`${'what'.padEnd(44)}${'MB/s'.padStart(8)}${'bytes/frame'.padStart(14)}`)
  for (const { what, megabytesPerSecond, bytesPerFrame } of rows) {
    const allocations = Number.isNaN(bytesPerFrame) ? '–' : String(bytesPerFrame)
    console.log(`${what.padEnd(44)}${megabytesPerSecond.toFixed(0).padStart(8)}${allocations.padStart(14)}`)
  }
  if (collect === undefined) console.log('(run with --expose-gc for allocations)')
}

await main()
