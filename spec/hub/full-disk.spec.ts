/** A hub whose disk is full, as a process on a file system that really is. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it } from '@jest/globals'
import { describeIf } from '../support/requires.js'
import { hasSmallDisks, onSmallDisk, SMALL_DISK_REASON, takeSpace } from '../support/small-disk.node.js'
import { cleanup, newAccount, postRegistration, registration, temporaryFolder } from './support.js'

const diskBytes = 1_048_576
const ballastBytes = 600_000

async function hubOnSmallDisk(folder: string) {
  const path = fileURLToPath(new URL('./hub.process.js', import.meta.url))
  const [program, ...argv] = onSmallDisk(diskBytes, folder, [
    process.execPath,
    path,
    `sqlite:${join(folder, 'hub.db')}`,
  ])
  const child = spawn(program!, argv, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  cleanup(() => child.kill('SIGKILL'))
  const [url] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string]
  const { hub_key: hubKey } = (await (await fetch(`${url}/v1/health`)).json()) as { hub_key: string }
  return { pid: child.pid!, hub: { url, port: Number(new URL(url).port), hubKey } }
}

describeIf(hasSmallDisks, SMALL_DISK_REASON)('a hub on a full disk', () => {
  it('says that it fails for as long as nobody can register, and recovers by itself', async () => {
    const folder = temporaryFolder()
    const { pid, hub } = await hubOnSmallDisk(folder)
    const giveBack = takeSpace(pid, folder, ballastBytes)
    let names = 0
    const register = async (): Promise<number> => {
      names += 1
      const nickname = `a${[...String(names)].map(digit => 'abcdefghij'[Number(digit)]).join('')}`
      return (await postRegistration(hub, registration(newAccount(nickname)))).status
    }
    const health = async (): Promise<unknown> =>
      ((await (await fetch(`${hub.url}/v1/health`)).json()) as { database: unknown }).database
    const probes = async (): Promise<number> => {
      const text = await (await fetch(`${hub.url}/metrics`)).text()
      return Number(/store_errors_total\{operation="probe"\} (\d+)/.exec(text)?.[1] ?? 0)
    }

    expect(await health()).toBe('ok')
    while ((await register()) === 201);
    // Through the hub's own attempts too, which take little room.
    while ((await probes()) < 2) expect(await health()).toBe('failing')
    expect(await register()).toBe(503)
    giveBack()
    while ((await health()) !== 'ok');
    expect(await register()).toBe(201)
  })
})
