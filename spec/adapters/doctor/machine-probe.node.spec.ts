import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from '@jest/globals'
import { firstValueFrom } from 'rxjs'
import { diskProbe$, handlesProbe, portsProbe$, shareProbe$ } from '../../../src/adapters/doctor/machine-probe.node.js'
import { proxy, proxyForEach } from '../../support/proxy-fixture.node.js'

proxyForEach()

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

function folder(): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'lighthouse-doctor-')))
  cleanups.push(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A program that takes connections and says nothing. */
async function silentProgram(): Promise<number> {
  const server = createServer(socket => cleanups.push(() => socket.destroy()))
  cleanups.push(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

describe('portsProbe$', () => {
  it('tells ports that are free, ours, and of another program; and leaves the free ones free', async () => {
    const other = await silentProgram()
    const closing = createServer().listen(0, '127.0.0.1')
    await once(closing, 'listening')
    const free = (closing.address() as AddressInfo).port
    closing.close()
    await once(closing, 'close')
    for (let round = 0; round < 2; round++) {
      const holders = await firstValueFrom(portsProbe$([free, proxy.port, other]))
      expect([...holders]).toEqual([
        [free, 'free'],
        [proxy.port, 'lighthouse'],
        [other, 'other'],
      ])
    }
  })
})

describe('diskProbe$', () => {
  it('writes where the folder is or will be, and leaves nothing', async () => {
    const home = folder()
    for (const path of [home, join(home, 'not', 'yet')]) {
      const { freeBytes, failure } = await firstValueFrom(diskProbe$(path))
      expect([failure, freeBytes! > 0]).toEqual([undefined, true])
    }
    expect(readdirSync(home)).toEqual([])
  })

  it('says why nothing can be written', async () => {
    const file = join(folder(), 'file')
    writeFileSync(file, '')
    expect(await firstValueFrom(diskProbe$(join(file, 'home')))).toMatchObject({ failure: 'ENOTDIR' })
  })
})

describe('shareProbe$', () => {
  it('reads a folder, or says why not', async () => {
    const path = folder()
    mkdirSync(join(path, 'films'))
    expect(await firstValueFrom(shareProbe$({ type: 'folder', path }))).toEqual({
      type: 'folder',
      path,
      failure: undefined,
    })
    expect(await firstValueFrom(shareProbe$({ type: 'folder', path: join(path, 'none') }))).toMatchObject({
      failure: 'ENOENT',
    })
    expect(await firstValueFrom(shareProbe$(null))).toEqual({ type: 'none' })
  })

  it('connects to a service, or says why not', async () => {
    const share = { type: 'tcp', host: '127.0.0.1', port: await silentProgram() } as const
    expect(await firstValueFrom(shareProbe$(share))).toMatchObject({ type: 'tcp', failure: undefined })
    for (const cleanup of cleanups.splice(0)) cleanup()
    expect(await firstValueFrom(shareProbe$(share))).toMatchObject({ failure: 'ECONNREFUSED' })
  })
})

describe('handlesProbe', () => {
  it('knows the limit on systems that have one', () => {
    const limit = handlesProbe()
    if (process.platform === 'win32') expect(limit).toBeUndefined()
    else expect(limit === undefined || limit > 0).toBe(true)
  })
})
