/**
 * Ten tunnels and more peers than that: who has to leave, who stays, and what the clients of those that leave see.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { filter, firstValueFrom, fromEvent } from 'rxjs'
import { type ClusterPeer, clusters } from '../support/cluster.node.js'
import { open, type Opened, readText, receive } from '../support/transfer.node.js'

const startCluster = clusters()
const seederNames = [...'abcdefghijk'].map(letter => `seeder${letter}`)
let alice: ClusterPeer
let seeders: ChildProcess

/** Tells the process with the seeders what to do, and waits until it is done. */
async function order(message: { readonly start?: string; readonly stop?: string }): Promise<void> {
  const done$ = fromEvent(seeders, 'message').pipe(
    filter(value => JSON.stringify((value as unknown[])[0] ?? value) === JSON.stringify(message)),
  )
  const done = firstValueFrom(done$)
  seeders.send(message)
  await done
}

/** Asks a seeder who it is, on a fresh connection; the tunnel's port. */
async function visit(nickname: string): Promise<number> {
  const { url, text } = await readText(`${alice.proxy}proxy/${nickname}/`, { headers: { connection: 'close' } })
  expect(text).toBe(nickname)
  return Number(new URL(url).port)
}

/** Figures such as the number of streams are made once a second: they are waited for. */
const hasStreams = (count: number): Promise<unknown> => alice.until(({ streams }) => streams === count)

/** Begins a transfer that stays open. */
const hold = (nickname: string): Promise<Opened> => open(`${alice.proxy}proxy/${nickname}/hold`)

/** Nicknames with a tunnel. */
async function connected(): Promise<readonly string[]> {
  return (await alice.stats()).connections.map(({ nickname }) => nickname!).toSorted()
}

const without = (...gone: readonly string[]): readonly string[] => seederNames.filter(name => !gone.includes(name))

beforeAll(async () => {
  const cluster = await startCluster({ alice: {} })
  alice = cluster.peers.alice!
  const script = fileURLToPath(new URL('./support/seeders.process.js', import.meta.url))
  seeders = fork(script, [cluster.hubUrl], { execArgv: [] })
  for (const name of seederNames) await order({ start: name })
})

afterAll(() => {
  seeders.kill('SIGKILL')
})

describe('ten tunnels for eleven peers', () => {
  const ports = new Map<string, number>()

  it('gives each of ten peers a port of its own', async () => {
    for (const name of seederNames.slice(0, 10)) ports.set(name, await visit(name))
    expect(new Set(ports.values()).size).toBe(10)
    expect(await connected()).toEqual(without('seederk'))
  })

  it('gives the eleventh the place of the one used longest ago', async () => {
    await visit('seedera')
    expect(await visit('seederk')).toBe(ports.get('seederb'))
    expect(await connected()).toEqual(without('seederb'))
    // The one that had to leave comes back, in turn at the expense of the next.
    expect(await visit('seederb')).toBe(ports.get('seederc'))
    expect(await connected()).toEqual(without('seederc'))
  })

  it('passes over a busy one while another is idle', async () => {
    const held = await hold('seederd')
    // From now on d is the one that was used longest ago.
    for (const name of without('seederc', 'seederd')) await visit(name)
    await hasStreams(1)
    expect(await visit('seederc')).toBe(ports.get('seedera'))
    expect(await connected()).toEqual(without('seedera'))
    await hasStreams(1)
    held.message.destroy()
    await hasStreams(0)
  })

  it('takes the place of the one used longest ago when all are busy, and its client sees a broken transfer', async () => {
    const held: Opened[] = []
    for (const name of without('seedera')) held.push(await hold(name))
    const [first, ...others] = held.map(opened => receive(opened))
    for (const rest of others) rest.catch(() => undefined)
    const [broken] = await Promise.all([first!.catch((error: unknown) => error), visit('seedera')])
    expect(String(broken)).toMatch(/aborted|ECONNRESET/)
    expect(await connected()).toEqual(without('seederb'))
    await hasStreams(9)
    for (const { message } of held) message.destroy()
    await hasStreams(0)
  })

  it('gives a nickname its last port back', async () => {
    const port = await visit('seederh')
    const lower = [...ports.entries()].find(([name]) => name === 'seedere')![1]
    await order({ stop: 'seedere' })
    await order({ stop: 'seederh' })
    await alice.until(({ connections }) => connections.length === 8)
    await order({ start: 'seederh' })
    expect(port).not.toBe(lower)
    expect(await visit('seederh')).toBe(port)
  })
})
