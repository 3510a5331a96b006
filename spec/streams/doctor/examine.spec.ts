import { describe, expect, it } from '@jest/globals'
import { finalize, NEVER, type Observable, of, throwError } from 'rxjs'
import type { DoctorProbes } from '../../../src/ports/doctor.js'
import { type Check, fine } from '../../../src/protocol/doctor/check.js'
import type { HubFound } from '../../../src/protocol/doctor/hub.js'
import type { Seen } from '../../../src/protocol/doctor/nat.js'
import type { PeerFacts } from '../../../src/protocol/doctor/probe.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { portBlock } from '../../../src/protocol/peer/port-block.js'
import { type Account, examine$, type ExamineOptions } from '../../../src/streams/doctor/examine.js'
import { virtualTime } from '../support/virtual-time.js'

const origin = 'http://127.0.0.1:3000'
const hubFound: HubFound = {
  origin,
  addresses: ['127.0.0.1'],
  address: '127.0.0.1',
  status: 200,
  hubKey: 'hub',
  clockAheadMs: 0,
}
const iceServers = [
  { urls: 'stun:one.example' },
  { urls: ['turn:two.example', 'turns:two.example'], username: 'u', credential: 'c' },
  { urls: 'turn:three.example' },
]
const facts: PeerFacts = {
  hub: { type: 'authenticated' },
  iceServers,
  ports: portBlock(42_000),
  share: null,
  relayOnly: false,
}

/** Probes that answer at once, and well. */
const quick: DoctorProbes = {
  hub$: () => of(hubFound),
  seen$: servers =>
    of(
      servers.map((server, at) => {
        const asked = { address: `198.51.100.${at}`, port: server.port }
        return { server, asked, mapped: { address: '203.0.113.9', port: 4000 }, ms: 7 }
      }),
    ),
  allocate$: () => of({ type: 'relayed', relay: undefined }),
  addresses: () => ['192.168.1.7'],
  ports$: ports => of(new Map(ports.map(port => [port, 'free' as const]))),
  disk$: () => of({ freeBytes: 1e12, failure: undefined }),
  handles: () => 65_536,
  share$: () => of({ type: 'none' }),
  engines$: () => of({ used: 'node-datachannel', missing: undefined, failure: undefined }),
}

function scene(probes: Partial<DoctorProbes> = {}, changes: Partial<Account> | null = {}) {
  const time = virtualTime()
  /** How many probes are subscribed to. */
  let running = 0
  const counted = <Args extends readonly unknown[], T>(probe$: (...args: Args) => Observable<T>) =>
    ((...args: Args) => {
      running += 1
      return probe$(...args).pipe(finalize(() => (running -= 1)))
    }) satisfies (...args: Args) => Observable<T>
  const { hub$, seen$, allocate$, ports$, disk$, share$, engines$, ...plain } = { ...quick, ...probes }
  const watched: DoctorProbes = {
    ...plain,
    hub$: counted(hub$),
    seen$: counted(seen$),
    allocate$: counted(allocate$),
    ports$: counted(ports$),
    disk$: counted(disk$),
    share$: counted(share$),
    engines$: counted(engines$),
  }
  const account: Account = {
    nickname: 'alice',
    pubKey: 'key',
    origin,
    remembered: 'hub',
    fingerprint: key => `(${key})`,
    hub: { resolve$: counted(() => of('key')) },
    facts$: of(facts),
    ...changes,
  }
  const options: ExamineOptions = {
    probes: watched,
    machine: {
      home: '/home',
      key: fine('there'),
      peer: fine('not running'),
      ports: portBlock(42_000),
      share: null,
      engine: undefined,
      isRunning: false,
    },
    account: changes === null ? undefined : account,
    clock: time.clock,
    now: () => 0,
    scheduler: time.scheduler,
  }
  const checks: Check[] = []
  const outcomes: string[] = []
  const subscription = examine$(options).subscribe({
    next: check => checks.push(check),
    complete: () => outcomes.push('complete'),
    error: () => outcomes.push('error'),
  })
  const statuses = (): Readonly<Record<string, string>> =>
    Object.fromEntries(checks.map(({ name, status }) => [name, status]))
  return { time, checks, outcomes, subscription, statuses, running: () => running }
}

const machineNames = ['key', 'peer', 'disk', 'file handles', 'WebRTC', 'share', 'ports']
const hubNames = ['hub address', 'hub connection', 'hub certificate', 'hub', 'clock']
const networkNames = ['STUN', 'TURN', 'TURN', 'TURN', 'router', 'meeting others']

describe('an examination', () => {
  it('checks machine, hub, account and network, in this order', () => {
    const { checks, outcomes, statuses } = scene()
    expect(checks.map(({ name }) => name)).toEqual([
      ...machineNames,
      ...hubNames,
      'nickname',
      'sign-in',
      ...networkNames,
    ])
    expect(outcomes).toEqual(['complete'])
    expect(statuses()).toMatchObject({ share: 'warn', hub: 'ok', router: 'ok', 'meeting others': 'ok' })
    const turns = checks.filter(({ name }) => name === 'TURN').map(({ status }) => status)
    expect(turns).toEqual(['ok', 'ok', 'fail'])
  })

  it('compares what is seen from the port of TLS too, and does not hold its silence against it', () => {
    const turn = { urls: ['turn:one.example', 'turns:one.example'], username: 'u', credential: 'c' }
    const facts$ = of({ ...facts, iceServers: [{ urls: 'stun:one.example' }, turn] })
    const asked: string[] = []
    const seenWith =
      (tlsPort: number | undefined): DoctorProbes['seen$'] =>
      servers => {
        asked.push(servers.map(({ host, port }) => `${host}:${port}`).join(' '))
        return of(
          servers.map(server => {
            const port = server.port === 3478 ? 4_000 : tlsPort
            const seen = {
              asked: { address: '198.51.100.1', port: server.port },
              mapped: { address: '203.0.113.9', port },
            }
            const silent = { asked: undefined, mapped: undefined }
            return { server, ms: 1, ...(port === undefined ? silent : (seen as Pick<Seen, 'asked' | 'mapped'>)) }
          }),
        )
      }
    const routerWith = (tlsPort: number | undefined): string => {
      const { checks } = scene({ seen$: seenWith(tlsPort) }, { facts$ })
      expect(checks.filter(({ name }) => name === 'STUN')).toHaveLength(1)
      return checks.find(({ name }) => name === 'router')!.detail
    }
    expect([routerWith(4_000), routerWith(4_001), routerWith(undefined)]).toEqual([
      expect.stringMatching(/^cone/),
      expect.stringMatching(/^symmetric/),
      expect.stringMatching(/cannot be told/),
    ])
    expect(asked[0]).toBe('one.example:3478 one.example:5349')
  })

  it('is over within 20 s where nothing ever answers, with every probe ended', () => {
    const never = () => NEVER
    const { time, outcomes, statuses, running } = scene(
      { disk$: never, ports$: never, share$: never, engines$: never, seen$: never, allocate$: never },
      { hub: { resolve$: never } },
    )
    time.advance(19_999)
    expect([outcomes, running(), time.pending()]).toEqual([['complete'], 0, 0])
    expect(statuses()).toMatchObject({ disk: 'fail', ports: 'fail', nickname: 'fail', STUN: 'fail', router: 'fail' })
    const silent = scene({ hub$: never })
    silent.time.advance(19_999)
    expect([silent.outcomes, silent.running(), silent.time.pending()]).toEqual([['complete'], 0, 0])
    const mute = scene({}, { facts$: NEVER })
    mute.time.advance(19_999)
    expect([mute.outcomes, mute.statuses()['sign-in']]).toEqual([['complete'], 'fail'])
  })

  it('ends every probe when nobody listens any more', () => {
    const never = () => NEVER
    const { time, subscription, running } = scene({ disk$: never, ports$: never, hub$: never })
    expect(running()).toBe(3)
    subscription.unsubscribe()
    expect([running(), time.pending()]).toEqual([0, 0])
  })

  it('shows the machine first, whoever answers first', () => {
    const { time, checks } = scene({ ports$: () => NEVER })
    expect(checks).toEqual([])
    time.advance(5_000)
    expect(checks.slice(0, machineNames.length).map(({ name }) => name)).toEqual(machineNames)
    expect(checks.at(-1)!.name).toBe('meeting others')
  })

  it('checks the machine alone where nobody is registered', () => {
    expect(scene({}, null).checks.map(({ name }) => name)).toEqual(machineNames)
  })

  it.each<[string, Partial<HubFound>, string]>([
    ['is not there', { hubKey: undefined as never, failure: 'refused' }, 'fail'],
    ['has another key', { hubKey: 'another' }, 'fail'],
  ])('signs in nowhere when the hub %s', (_when, found, status) => {
    const signIn: string[] = []
    const facts$ = of(facts).pipe(finalize(() => signIn.push('asked')))
    const { statuses, checks } = scene({ hub$: () => of({ ...hubFound, ...found }) }, { facts$ })
    expect([statuses().hub, statuses()['sign-in'], checks.at(-1)]).toMatchObject([
      status,
      undefined,
      { status: 'skip' },
    ])
    expect(signIn).toEqual([])
  })

  it('leaves the network alone where the sign-in gives no servers, and says why', () => {
    const stopped = { type: 'stopped', code: 'session-replaced', message: 'x' } as const
    const { statuses } = scene({}, { facts$: of({ ...facts, hub: stopped }) })
    expect(statuses()).toMatchObject({ 'sign-in': 'warn', network: 'skip' })
    const failed = scene({}, { facts$: throwError(() => new LighthouseError('store-failed', 'The disk is full.')) })
    expect(failed.checks.find(({ name }) => name === 'sign-in')).toMatchObject({
      status: 'fail',
      detail: 'The disk is full',
      code: 'store-failed',
    })
  })
})
