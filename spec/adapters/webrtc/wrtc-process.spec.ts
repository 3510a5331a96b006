import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from '@jest/globals'
import { firstValueFrom, interval, filter, map } from 'rxjs'
import { loadRtc } from '../../../src/adapters/webrtc/load.node.js'
import { wrtcProcessRtc } from '../../../src/adapters/webrtc/wrtc-process.node.js'
import type { ByteChannel } from '../../../src/ports.js'
import { type RtcSide, rtcSides } from '../../compliance/support/rtc-sides.js'
import { backTo, resources } from '../../compliance/support/resources.js'
import { childrenOf, isAlive } from '../../support/processes.node.js'

const sides: RtcSide[] = []

afterEach(() => {
  for (const { subscription } of sides.splice(0)) subscription.unsubscribe()
})

/** Looks until it is so; the test's time limit bounds it. */
async function until(isSo: () => boolean): Promise<void> {
  if (!isSo()) await firstValueFrom(interval(20).pipe(filter(isSo)))
}

/** A connection between two sides of these ports, and whether bytes go through it. */
async function connect(...ports: Parameters<typeof rtcSides>): Promise<readonly [RtcSide, RtcSide]> {
  const pair = rtcSides(...ports)
  sides.push(...pair)
  await carries(await Promise.all([pair[0].opened, pair[1].opened]))
  return pair
}

async function carries([near, far]: readonly [ByteChannel, ByteChannel]): Promise<void> {
  const arrived = firstValueFrom(far.message$.pipe(map(message => [...message])))
  near.send(Uint8Array.of(1, 2, 3))
  expect(await arrived).toEqual([1, 2, 3])
}

describe('wrtc in a process of its own', () => {
  it('costs its connections when it crashes, names the signal, and is started again for the next one', async () => {
    const rtc = wrtcProcessRtc()
    const other = await loadRtc('node-datachannel')
    const before = new Set(childrenOf(process.pid))
    const pairs = [await connect(rtc), await connect(other, rtc)] as const
    const untouched = await connect(other)
    const started = childrenOf(process.pid).filter(pid => !before.has(pid))
    expect(started).toHaveLength(1)
    process.kill(started[0]!, 'SIGKILL')
    const lost = await Promise.all([...pairs[0], pairs[1][1]].map(({ over }) => over))
    const ended = expect.objectContaining({
      code: 'webrtc-failed',
      message: expect.stringContaining('(SIGKILL)') as unknown,
    })
    expect(lost).toEqual([ended, ended, ended])
    await connect(rtc)
    expect(untouched.flatMap(({ outcomes }) => outcomes)).toEqual([])
    expect(childrenOf(process.pid).filter(pid => !before.has(pid) && pid !== started[0])).toHaveLength(1)
  })

  it('goes on when a terminal sends its signals to both', async () => {
    const rtc = wrtcProcessRtc()
    const before = new Set(childrenOf(process.pid))
    await connect(rtc)
    const [pid] = childrenOf(process.pid).filter(child => !before.has(child))
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid!, signal)
    await connect(rtc)
    expect(isAlive(pid!)).toBe(true)
  })

  it('ends a while after the last connection, and holds nothing meanwhile', async () => {
    const before = resources()
    const running = new Set(childrenOf(process.pid))
    const rtc = wrtcProcessRtc({ idleMs: 100 })
    const [a, b] = await connect(rtc)
    const [pid] = childrenOf(process.pid).filter(child => !running.has(child))
    a.subscription.unsubscribe()
    b.subscription.unsubscribe()
    await backTo(before)
    await until(() => !isAlive(pid!))
    expect(childrenOf(process.pid).filter(child => !running.has(child))).toEqual([])
  })

  it('ends with the process that started it, however that ends', async () => {
    const program = fileURLToPath(new URL('./wrtc-user.process.js', import.meta.url))
    const user: ChildProcess = fork(program, { execArgv: [] })
    const [pid] = (await once(user, 'message')) as [number]
    expect(isAlive(pid)).toBe(true)
    user.kill('SIGKILL')
    await until(() => !isAlive(pid))
  })
})
