/**
 * `doctor` as people run it, with a real hub and peers.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Check } from '../../src/protocol/doctor/check.js'
import { type Cluster, type ClusterPeer, clusters, startCli } from '../support/cluster.node.js'
import { type ScriptedPeer, scriptedPeer } from './support/scripted-peer.js'

const startCluster = clusters()
let cluster: Cluster & { readonly peers: Readonly<Record<string, ClusterPeer>> }
let alice: ClusterPeer
let silentServer: Socket
let silent: ScriptedPeer

interface Examined {
  readonly code: number | string
  readonly checks: readonly Check[]
  readonly statuses: Readonly<Record<string, string>>
}

async function doctor(home: string, ...argv: readonly string[]): Promise<Examined> {
  const program = startCli(['doctor', '--json', '--home', home, ...argv], cluster.folder)
  const line = await program.line(message => 'doctor' in message)
  const { checks } = line.doctor as { readonly checks: readonly Check[] }
  const statuses = Object.fromEntries(checks.map(({ name, status }) => [name, status]))
  return { code: (await program.ended).code, checks, statuses }
}

const phases = ['name', 'offer', 'delivery', 'answer', 'connection', 'path', 'round trip', 'first bytes']

beforeAll(async () => {
  silentServer = createSocket('udp4')
  silentServer.bind(0, '127.0.0.1')
  await once(silentServer, 'listening')
  const stun = ['--stun', `stun:127.0.0.1:${silentServer.address().port}`]
  cluster = await startCluster({ alice: {} }, { options: stun })
  alice = cluster.peers.alice!
  await cluster.register('bob')
  const share = join(cluster.folder, 'shared')
  mkdirSync(share)
  writeFileSync(join(share, 'note.txt'), 'hello')
  await cluster.up('bob', { share })
  await cluster.register('carol')
  silent = await scriptedPeer(cluster.hubUrl, 'silent')
})

afterAll(() => {
  silent?.close()
  silentServer.close()
})

describe('doctor', () => {
  it('asks the running peer, whose session goes on, and sees that UDP is blocked', async () => {
    const before = alice.signIns()
    const { code, statuses, checks } = await doctor(alice.home)
    expect(statuses).toMatchObject({ peer: 'ok', key: 'ok', hub: 'ok', nickname: 'ok', 'sign-in': 'ok', STUN: 'fail' })
    expect(checks.find(({ name }) => name === 'router')!.detail).toContain('UDP')
    expect([code, alice.signIns()]).toEqual([1, before])
    expect((await alice.stats()).hub.type).toBe('authenticated')
  })

  it('goes through each phase of a connection, through the running peer', async () => {
    const { checks } = await doctor(alice.home, 'bob')
    const connection = checks.slice(-phases.length)
    expect(connection.map(({ name }) => name).sort()).toEqual([...phases].sort())
    expect(connection.map(({ status }) => status)).toEqual(phases.map(() => 'ok'))
    expect(checks.find(({ name }) => name === 'first bytes')!.detail).toContain('HTTP status 200')
    // Of the connection nothing is left.
    await alice.until(({ connections }) => connections.length === 0)
  })

  it('signs in for a moment where no peer runs, and keeps what it signed', async () => {
    const home = join(cluster.folder, 'homes', 'carol')
    expect((await doctor(home)).statuses).toMatchObject({ peer: 'ok', 'sign-in': 'ok', STUN: 'fail' })
    expect(readdirSync(home)).not.toContain('receipts.sqlite')
    const { checks } = await doctor(home, 'bob')
    expect(checks.slice(-phases.length).map(({ status }) => status)).toEqual(phases.map(() => 'ok'))
    expect(readdirSync(home)).toContain('receipts.sqlite')
    // It was really gone: the same key signs in again, and is told of nobody.
    expect((await doctor(home)).statuses['sign-in']).toBe('ok')
  })

  it('leaves the session of a peer elsewhere alone that has the same key', async () => {
    const elsewhere = join(cluster.folder, 'homes', 'alice elsewhere')
    cpSync(alice.home, elsewhere, { recursive: true })
    for (const file of readdirSync(elsewhere)) if (!/^(metadata|known)/.test(file)) rmSync(join(elsewhere, file))
    const before = alice.signIns()
    const { code, statuses } = await doctor(elsewhere, 'bob')
    expect([statuses['sign-in'], statuses.connection, code]).toEqual(['warn', 'fail', 1])
    expect([alice.signIns(), (await alice.stats()).hub.type]).toEqual([before, 'authenticated'])
  })

  it('names the phase that fails, and why: exit code 5', async () => {
    const { code, checks } = await doctor(alice.home, 'silent')
    expect(code).toBe(5)
    expect(checks.at(-1)).toMatchObject({ name: 'answer', status: 'fail', code: 'connect-timeout' })
    expect(checks.at(-1)!.detail).toContain('silent did not answer: that computer may be asleep')
    const nobody = await doctor(alice.home, 'nobody')
    expect([nobody.code, nobody.checks.at(-1)]).toMatchObject([5, { name: 'name', code: 'unknown-nickname' }])
  })

  it('sees that the hub is away: exit code 4', async () => {
    await cluster.hub().end('SIGKILL')
    const { code, statuses } = await doctor(alice.home)
    expect(statuses).toMatchObject({ peer: 'ok', 'hub address': 'ok', 'hub connection': 'fail', network: 'skip' })
    expect(code).toBe(4)
  })
})
