/** A reader that stops in the middle of a large download: what it costs others, and whether the download ends right. */
import { setTimeout as pause } from 'node:timers/promises'
import { endlessBytes, payAhead } from './measure.js'
import { openScene, type SceneOptions } from './scene.js'

export interface PausedOptions extends SceneOptions {
  readonly fileBytes: number
  readonly pauseMs: number
}

export interface PausedResult {
  readonly rtcName: string
  readonly roundTripMs: number
  readonly fileBytes: number
  readonly pauseMs: number
  readonly consumerGrowthBytes: number
  readonly seederGrowthBytes: number
  /** MB/s of another stream on the same connection, by itself and beside the paused one. */
  readonly otherAlone: number
  readonly otherBeside: number
  readonly byteExact: boolean
}

/** Long enough for heaps and buffers to reach their size under load before growth is counted. */
const settleMs = 8000

export async function measurePaused(options: PausedOptions): Promise<PausedResult> {
  const { fileBytes, pauseMs } = options
  const scene = await openScene(options)
  const { consumer, seeder, ends, openTunnel } = scene
  const received = (id: number): Promise<{ each: number[]; at: number }> => ends.call('received', [id])
  const memory = (): Promise<number[]> => Promise.all([consumer.call<number>('memory'), seeder.call<number>('memory')])
  const rateOver = async (id: number, milliseconds: number): Promise<number> => {
    const before = await received(id)
    await pause(milliseconds)
    const after = await received(id)
    return (after.each[0]! - before.each[0]!) / (after.at - before.at) / 1000
  }
  try {
    const port = await openTunnel()
    await payAhead(scene, port)
    const other = await ends.call<number>('open', { port, bytes: endlessBytes })
    await pause(settleMs)
    await memory()
    const otherAlone = await rateOver(other, settleMs)
    const file = await ends.call<number>('open', { port, bytes: fileBytes, hashed: true })
    while ((await received(file)).each[0]! < fileBytes / 4) await pause(20)
    const before = await memory()
    await ends.call('pause', file)
    // The sockets of the system fill first.
    await pause(Math.min(1000, pauseMs / 4))
    const otherBeside = await rateOver(other, pauseMs)
    const during = await memory()
    await ends.call('close', [other])
    await ends.call('resume', file)
    let byteExact: boolean | undefined
    while (byteExact === undefined) {
      await pause(100)
      byteExact = await ends.call<boolean | undefined>('verify', { id: file, bytes: fileBytes })
    }
    const [consumerGrowthBytes, seederGrowthBytes] = during.map((bytes, index) => bytes - before[index]!)
    return {
      ...options,
      consumerGrowthBytes: consumerGrowthBytes!,
      seederGrowthBytes: seederGrowthBytes!,
      otherAlone,
      otherBeside,
      byteExact,
    }
  } finally {
    await scene.close()
  }
}
