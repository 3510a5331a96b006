import { describe, expect, it } from '@jest/globals'
import {
  judgeDisk,
  judgeEngines,
  judgeHandles,
  judgePorts,
  judgeShare,
  type PortHolder,
  type PortsFound,
} from '../../../src/protocol/doctor/machine.js'
import { portBlock } from '../../../src/protocol/peer/port-block.js'

const block = portBlock(42_000)

function ports(held: Readonly<Record<number, PortHolder>>, isRunning = false): PortsFound {
  const all = [block.proxy, ...block.tunnels, block.data]
  return { ...block, holders: new Map(all.map(port => [port, held[port] ?? 'free'])), isRunning }
}

const others = (list: readonly number[]): Readonly<Record<number, PortHolder>> =>
  Object.fromEntries(list.map(port => [port, 'other' as const]))

describe('judgePorts', () => {
  it.each<[string, PortsFound, string, string | undefined]>([
    ['all are free', ports({}), 'ok', undefined],
    ['the running peer has some', ports({ 42000: 'lighthouse', 42003: 'lighthouse' }, true), 'ok', undefined],
    ['another peer has them', ports({ 42000: 'lighthouse' }), 'warn', undefined],
    ['another program has a tunnel', ports(others([42003])), 'warn', undefined],
    ['another program has the proxy', ports(others([42000])), 'fail', 'port-in-use'],
    ['another program has the data port', ports(others([42011])), 'fail', 'port-in-use'],
    ['the running peer shares what is no HTTP', ports(others([42011]), true), 'warn', undefined],
    ['other programs have all tunnels', ports(others(block.tunnels)), 'fail', 'no-tunnel-port'],
  ])('when %s', (_when, found, status, code) => {
    const judged = judgePorts(found)
    expect([judged.status, judged.code]).toEqual([status, code])
    if (status !== 'ok') expect(judged.next).toMatch(/--port-base/)
  })
})

describe('the rest of the machine', () => {
  it('has room on its disk, little, or none', () => {
    expect(judgeDisk('/home', 50_000_000_000, undefined)).toMatchObject({
      status: 'ok',
      detail: '50.0 GB free at "/home"',
    })
    expect(judgeDisk('/home', 500_000_000, undefined).status).toBe('warn')
    expect(judgeDisk('/home', 1_000, undefined)).toMatchObject({ status: 'fail', code: 'store-failed' })
    expect(judgeDisk('/home', 50_000_000_000, 'EROFS')).toMatchObject({ status: 'fail', code: 'store-failed' })
    expect(judgeDisk('/home', undefined, undefined).status).toBe('ok')
  })

  it('lets a process have files open, many, few, or hardly any', () => {
    expect([undefined, 65_536, 1_023, 128].map(limit => judgeHandles(limit).status)).toEqual([
      'ok',
      'ok',
      'warn',
      'fail',
    ])
  })

  it('shares a folder, a service, nothing, or what is not there', () => {
    expect(judgeShare({ type: 'none' }).status).toBe('warn')
    expect(judgeShare({ type: 'folder', path: '/films', failure: undefined }).status).toBe('ok')
    expect(judgeShare({ type: 'folder', path: '/films', failure: 'ENOENT' })).toMatchObject({
      status: 'fail',
      detail: '"/films" cannot be read (ENOENT)',
    })
    expect(judgeShare({ type: 'tcp', address: 'localhost:80', failure: undefined }).status).toBe('ok')
    expect(judgeShare({ type: 'tcp', address: 'localhost:80', failure: 'ECONNREFUSED' }).next).toMatch(
      /Start the program/,
    )
  })

  it('has a WebRTC implementation, the other one, or none', () => {
    const found = { used: 'wrtc', missing: undefined, failure: undefined }
    expect(judgeEngines(found).status).toBe('ok')
    expect(judgeEngines({ ...found, missing: 'no binary' })).toMatchObject({
      status: 'warn',
      detail: expect.stringMatching(/wrtc is used in its place/),
    })
    expect(judgeEngines({ ...found, used: undefined, failure: 'no binary' }).status).toBe('fail')
  })
})
