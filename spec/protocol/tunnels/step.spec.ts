import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { LighthouseError } from '../../../src/protocol/errors.js'
import type { ConnectionStats } from '../../../src/protocol/peer/stats.js'
import { maxAttempts, repairSeconds, suspectSeconds } from '../../../src/protocol/tunnels/replace.js'
import { stepTunnels } from '../../../src/protocol/tunnels/step.js'
import {
  createTunnelsState,
  type TunnelConnection,
  type TunnelListener,
  type TunnelReport,
  type TunnelsEffect,
  type TunnelsEvent,
  type TunnelsState,
} from '../../../src/protocol/tunnels/tunnels.js'
import { deepFreeze } from '../../support/freeze.js'

/** A connection as those see it who perform the effects. */
interface Life {
  readonly connection: TunnelConnection
  phase: 'connecting' | 'opened' | 'carrying' | 'closed'
  silentSeconds: number
}

/** A listener, likewise. */
interface Door {
  readonly listener: TunnelListener
  phase: 'binding' | 'listening' | 'closed'
  port: number
}

const broke = new LighthouseError('webrtc-failed', 'it broke')
const inUse = new LighthouseError('port-in-use', 'taken')
const noHandles = new LighthouseError('invalid-option', 'no file handles left')

/** Performs the effects as the streams do, and checks after every step what must hold. */
class World {
  state: TunnelsState<number>
  readonly lives: Life[] = []
  readonly doors: Door[] = []
  readonly waiting = new Map<number, string>()
  readonly ended: number[] = []
  readonly answered: number[] = []
  private asked = 0
  private nextPort = 50_000

  constructor(readonly ports: readonly number[]) {
    this.state = deepFreeze(createTunnelsState<number>(ports))
  }

  alive(...phases: readonly Life['phase'][]): readonly Life[] {
    return this.lives.filter(({ phase }) => (phases.length === 0 ? phase !== 'closed' : phases.includes(phase)))
  }

  doorsIn(...phases: readonly Door['phase'][]): readonly Door[] {
    return this.doors.filter(({ phase }) => phases.includes(phase))
  }

  ask(nickname: string): void {
    const waiter = this.asked++
    this.waiting.set(waiter, nickname)
    this.tell({ type: 'asked', nickname, waiter })
  }

  withdraw(waiter: number): void {
    const nickname = this.waiting.get(waiter)!
    this.waiting.delete(waiter)
    this.tell({ type: 'withdrawn', nickname, waiter })
  }

  open(life: Life): void {
    life.phase = 'opened'
    this.tell({ type: 'opened', connection: life.connection, session: `session-${life.connection.id}` })
  }

  listen(door: Door): void {
    door.phase = 'listening'
    if (door.port === 0) door.port = this.nextPort++
    this.tell({ type: 'listening', listener: door.listener, port: door.port })
  }

  failListener({ listener }: Door, reason: LighthouseError): void {
    this.tell({ type: 'listener-failed', listener, reason })
  }

  carry(life: Life, streams: number, silentSeconds: number): void {
    life.silentSeconds = silentSeconds
    const stats = { nickname: life.connection.nickname, streams, silentSeconds } as ConnectionStats
    this.tell({ type: 'carried', connection: life.connection, report: { type: 'stats', stats } })
  }

  end(life: Life): void {
    this.tell({ type: 'ended', connection: life.connection, reason: broke })
  }

  tell(event: TunnelsEvent<number>): void {
    const [state, effects] = stepTunnels(this.state, event)
    this.state = deepFreeze(state)
    for (const effect of effects) this.perform(effect)
    this.check()
  }

  private perform(effect: TunnelsEffect<number>): void {
    switch (effect.type) {
      case 'answer':
      case 'refuse':
        // Once, and nobody who wants none.
        expect(this.waiting.delete(effect.waiter)).toBe(true)
        this.answered.push(effect.waiter)
        if (effect.type === 'refuse') return
        // By the newest connection that carries, with an address that is listened on.
        expect(
          this.alive('carrying').findLast(({ connection }) => connection.nickname === effect.connection.nickname),
        ).toMatchObject({ connection: effect.connection })
        expect(this.doorsIn('listening').map(({ port }) => port)).toContain(effect.tunnel.port)
        return
      case 'connect':
        this.lives.push({ connection: effect.connection, phase: 'connecting', silentSeconds: 0 })
        expect(effect.connection.id).toBe(this.lives.length - 1)
        return
      case 'carry':
        expect(this.lives[effect.connection.id]!.phase).toBe('opened')
        this.lives[effect.connection.id]!.phase = 'carrying'
        return
      case 'close':
        expect(this.lives[effect.connection.id]!.phase).not.toBe('closed')
        // Nobody hears of an attempt for a shorter way that comes to nothing.
        if (effect.connection.direct && this.lives[effect.connection.id]!.phase === 'connecting')
          this.ended.push(effect.connection.id)
        this.lives[effect.connection.id]!.phase = 'closed'
        return
      case 'listen': {
        const door = this.door(effect.listener)
        expect(door?.phase ?? 'binding').toBe('binding')
        if (door === undefined) this.doors.push({ listener: effect.listener, phase: 'binding', port: effect.port })
        else door.port = effect.port
        return
      }
      case 'unlisten':
        expect(this.door(effect.listener)!.phase).not.toBe('closed')
        this.door(effect.listener)!.phase = 'closed'
        return
      case 'report':
        this.hear(effect.report)
    }
  }

  private door({ id }: TunnelListener): Door | undefined {
    return this.doors.find(({ listener }) => listener.id === id)
  }

  private hear(report: TunnelReport): void {
    if (report.type !== 'ended') return
    const { id } = this.lives.findLast(
      ({ connection: { id, nickname }, phase }) =>
        nickname === report.nickname && phase === 'closed' && !this.ended.includes(id),
    )!.connection
    this.ended.push(id)
    expect([undefined, `session-${id}`]).toContain(report.session)
    // A silent connection is replaced, and one that answers is not.
    if (report.reason.code === 'peer-silent')
      expect(this.lives[id]!.silentSeconds).toBeGreaterThanOrEqual(suspectSeconds)
  }

  private check(): void {
    const closed = this.lives.filter(({ phase }) => phase === 'closed').map(({ connection }) => connection.id)
    expect(this.ended.toSorted((one, other) => one - other)).toEqual(closed)
    const names = new Set(this.lives.map(({ connection }) => connection.nickname))
    for (const name of names) {
      const own = this.alive().filter(({ connection }) => connection.nickname === name)
      expect(own.filter(({ phase }) => phase === 'connecting').length).toBeLessThanOrEqual(1)
      // One that is used, and at most one that was.
      expect(own.filter(({ phase }) => phase !== 'connecting').length).toBeLessThanOrEqual(2)
    }
    expect(this.alive('connecting').length).toBeLessThanOrEqual(maxAttempts)
    // Who has a slot is who has a listener, and no port is two tunnels'.
    const doors = this.doorsIn('binding', 'listening')
    const owners = this.state.slots.slots.flatMap(({ owner }) => owner ?? [])
    expect(owners.toSorted()).toEqual(doors.map(({ listener }) => listener.nickname).toSorted())
    const ports = doors.map(({ port }) => port).filter(port => port !== 0)
    expect(new Set(ports).size).toBe(ports.length)
    // Who is connected has a place, and an address stays when its connection is over.
    for (const { connection } of this.alive('opened', 'carrying')) expect(owners).toContain(connection.nickname)
    const known = [...this.alive().map(({ connection }) => connection), ...doors.map(({ listener }) => listener)]
    expect([...this.state.tunnels.keys()].toSorted()).toEqual(
      [...new Set(known.map(({ nickname }) => nickname))].toSorted(),
    )
    const connected = this.state.slots.slots.flatMap(({ owner, connected: isConnected }) => (isConnected ? owner! : []))
    expect(connected.toSorted()).toEqual(
      [...new Set(this.alive('opened', 'carrying').map(({ connection }) => connection.nickname))].toSorted(),
    )
    const kept = [...this.state.tunnels.values()].flatMap(tunnel => ('waiters' in tunnel ? tunnel.waiters : []))
    expect(kept.toSorted((one, other) => one - other)).toEqual([...this.waiting.keys()])
  }
}

/** What may happen next; `pick` chooses among those to whom it can. */
const happening = fc.record({
  type: fc.constantFrom(
    ...([
      'ask',
      'ask',
      'ask',
      'open',
      'open',
      'open',
      'listen',
      'listen',
      'listen',
      'carry',
      'carry',
      'carry',
    ] as const),
    ...(['withdraw', 'in use', 'in use', 'no handles', 'end', 'end', 'silence', 'silence', 'late'] as const),
    ...(['network changed', 'relayed', 'relayed'] as const),
  ),
  pick: fc.nat(),
  streams: fc.nat(2),
  silentSeconds: fc.nat(4),
})
type Happening = typeof happening extends fc.Arbitrary<infer Value> ? Value : never

function happen(world: World, { type, pick, streams, silentSeconds }: Happening): void {
  const among = <T>(choices: readonly T[], act: (choice: T) => void): void => {
    if (choices.length > 0) act(choices[pick % choices.length]!)
  }
  switch (type) {
    case 'ask':
      return among(['ann', 'bob', 'cyd', 'dan'], name => world.ask(name))
    case 'withdraw':
      return among([...world.waiting.keys()], waiter => world.withdraw(waiter))
    case 'open':
      return among(world.alive('connecting'), life => world.open(life))
    case 'listen':
      return among(world.doorsIn('binding'), door => world.listen(door))
    case 'in use':
      return among(world.doorsIn('binding'), door => world.failListener(door, inUse))
    case 'no handles':
      return among(world.doorsIn('binding', 'listening'), door => world.failListener(door, noHandles))
    case 'carry':
      return among(world.alive('carrying'), life => world.carry(life, streams, silentSeconds))
    case 'silence':
      return among(world.alive('carrying'), life => {
        world.carry(life, streams, suspectSeconds + silentSeconds)
        world.ask(life.connection.nickname)
      })
    case 'network changed':
      return world.tell({ type: 'network-changed' })
    case 'relayed':
      return among(world.alive(), ({ connection }) => world.tell({ type: 'relayed', connection }))
    case 'end':
      return among(world.alive(), life => world.end(life))
    case 'late':
      among(
        world.lives.filter(({ phase }) => phase === 'closed'),
        ({ connection }) => {
          const before = world.state
          world.tell({ type: 'opened', connection, session: 'late' })
          world.tell({ type: 'ended', connection, reason: broke })
          expect(world.state).toBe(before)
        },
      )
      return among(world.doorsIn('closed'), ({ listener }) => {
        const before = world.state
        world.tell({ type: 'listening', listener, port: 1 })
        world.tell({ type: 'listener-failed', listener, reason: inUse })
        expect(world.state).toBe(before)
      })
  }
}

describe('stepTunnels', () => {
  it('keeps its promises in every history, and nothing when all is over', () => {
    const ports = fc.array(fc.boolean(), { minLength: 1, maxLength: 3 })
    const history = fc.array(happening, { minLength: 20, maxLength: 60 })
    fc.assert(
      fc.property(ports, history, (chosen, events) => {
        const world = new World(chosen.map((bySystem, index) => (bySystem ? 0 : 42_001 + index)))
        for (const event of events) happen(world, event)
        // Whoever finds every port taken hears so, in the end.
        const triesAtMost = 4 * world.ports.length
        for (const door of world.doorsIn('binding'))
          for (let tries = 0; tries < triesAtMost && door.phase !== 'closed'; tries++) world.failListener(door, inUse)
        expect(world.doorsIn('binding')).toEqual([])
        for (const life of world.lives) if (life.phase !== 'closed') world.end(life)
        expect([world.alive(), world.waiting.size]).toEqual([[], 0])
        expect([...world.state.tunnels.values()].filter(({ type }) => type !== 'resting')).toEqual([])
        for (const door of world.doors) if (door.phase !== 'closed') world.failListener(door, noHandles)
        expect(world.state.tunnels.size).toBe(0)
        expect(world.state.slots.slots.every(({ owner }) => owner === undefined)).toBe(true)
      }),
      { numRuns: 250 },
    )
  })

  function openTo(world: World, name: string): Life {
    world.ask(name)
    const life = world.lives.at(-1)!
    world.open(life)
    for (const door of world.doorsIn('binding')) world.listen(door)
    return life
  }

  it('evicts no attempt with the silent connection that it was to replace', () => {
    const world = new World([42_001])
    const silent = openTo(world, 'ann')
    world.carry(silent, 1, suspectSeconds)
    world.ask('ann')
    const attempt = world.lives.at(-1)!
    const other = openTo(world, 'bob')
    expect([silent.phase, attempt.phase, world.waiting.size]).toEqual(['closed', 'connecting', 1])
    world.open(attempt)
    expect(other.phase).toBe('closed')
    for (const door of world.doorsIn('binding')) world.listen(door)
    expect(world.waiting.size).toBe(0)
  })

  it('keeps an address when its connection is over, and connects again for who comes there', () => {
    const world = new World([42_001, 42_002])
    const first = openTo(world, 'ann')
    world.end(first)
    expect(world.doorsIn('listening')).toMatchObject([{ listener: { nickname: 'ann' }, port: 42_001 }])
    world.ask('ann')
    world.open(world.lives.at(-1)!)
    expect([world.waiting.size, world.doors.length]).toEqual([0, 1])
  })

  it('gives up an address without a connection before a connection, however long ago that was used', () => {
    const world = new World([42_001, 42_002])
    const idle = openTo(world, 'ann')
    world.end(openTo(world, 'bob'))
    openTo(world, 'cyd')
    expect([idle.phase, world.doorsIn('listening').map(({ listener }) => listener.nickname)]).toEqual([
      'carrying',
      ['ann', 'cyd'],
    ])
  })

  it('replaces a connection that says nothing, without being asked, now and then', () => {
    const world = new World([42_001])
    const life = openTo(world, 'ann')
    for (let seconds = 1; seconds < repairSeconds.first + 2 * repairSeconds.between; seconds++) {
      world.carry(life, 1, seconds)
      world.alive('connecting').forEach(attempt => world.end(attempt))
    }
    expect(world.lives.length - 1).toBe(2)
    world.carry(life, 1, repairSeconds.first + 2 * repairSeconds.between)
    world.open(world.alive('connecting')[0]!)
    expect([life.phase, world.doorsIn('listening').length]).toEqual(['closed', 1])
  })

  it('gives a silent connection up as soon as the hub does not know its other side either', () => {
    const world = new World([42_001])
    const life = openTo(world, 'ann')
    const offline = new LighthouseError('peer-offline', 'gone')
    world.carry(life, 1, 3)
    world.tell({ type: 'ended', connection: world.alive('connecting')[0]!.connection, reason: offline })
    expect(life.phase).toBe('carrying')
    world.carry(life, 1, 6)
    world.tell({ type: 'ended', connection: world.alive('connecting')[0]!.connection, reason: offline })
    expect([life.phase, world.doorsIn('listening').length]).toEqual(['closed', 1])
  })

  it('makes a connection beside each when the network has changed, and every attempt again for the same ones who wait', () => {
    const world = new World([42_001, 42_002])
    const used = openTo(world, 'ann')
    world.carry(used, 1, 0)
    world.ask('bob')
    const attempt = world.lives.at(-1)!
    world.tell({ type: 'network-changed' })
    expect([used.phase, attempt.phase, world.waiting.size]).toEqual(['carrying', 'closed', 1])
    const made = world.alive('connecting').map(({ connection }) => connection.nickname)
    expect(made.toSorted()).toEqual(['ann', 'bob'])
    // What comes on the connection may have been under way: it proves nothing.
    world.carry(used, 1, 0)
    world.ask('ann')
    for (const life of world.alive('connecting')) world.open(life)
    for (const door of world.doorsIn('binding')) world.listen(door)
    expect([used.phase, world.waiting.size]).toEqual(['carrying', 0])
  })

  it('lets what goes on on a replaced connection come to its end, and ends that then', () => {
    const world = new World([42_001])
    const used = openTo(world, 'ann')
    world.carry(used, 2, 0)
    world.tell({ type: 'network-changed' })
    const next = world.lives.at(-1)!
    world.open(next)
    world.carry(next, 1, 0)
    expect(world.state.slots.slots[0]).toMatchObject({ streams: 3 })
    world.carry(used, 1, 1)
    expect([used.phase, world.state.slots.slots[0]!.streams]).toEqual(['carrying', 2])
    world.carry(used, 0, 0)
    expect([used.phase, next.phase, world.state.slots.slots[0]!.streams]).toEqual(['closed', 'carrying', 1])
  })

  it('ends a replaced connection when nothing comes any more, so that its streams can go on elsewhere', () => {
    const world = new World([42_001])
    const used = openTo(world, 'ann')
    world.carry(used, 2, 0)
    world.tell({ type: 'network-changed' })
    world.open(world.lives.at(-1)!)
    world.carry(used, 2, repairSeconds.first - 1)
    expect(used.phase).toBe('carrying')
    world.carry(used, 2, repairSeconds.first)
    expect([used.phase, world.alive('carrying').length]).toEqual(['closed', 1])
  })

  it('answers who waits with the connection there is, when the other one cannot be made and nothing is wrong with it', () => {
    const world = new World([42_001])
    openTo(world, 'ann')
    world.tell({ type: 'network-changed' })
    world.ask('ann')
    expect(world.waiting.size).toBe(1)
    world.end(world.lives.at(-1)!)
    expect(world.waiting.size).toBe(0)
  })

  it('seeks a shorter way beside a relayed connection, which goes on being used', () => {
    const world = new World([42_001])
    const relayed = openTo(world, 'ann')
    world.carry(relayed, 1, 0)
    const seek = (): Life => {
      world.tell({ type: 'relayed', connection: relayed.connection })
      return world.lives.at(-1)!
    }
    const failing = seek()
    expect(failing.connection).toMatchObject({ direct: true })
    world.ask('ann')
    expect([world.waiting.size, seek()]).toEqual([0, failing])
    world.end(failing)
    const direct = seek()
    world.open(direct)
    expect([relayed.phase, direct.phase]).toEqual(['carrying', 'carrying'])
    // One more at a time, until the streams of the first are over.
    expect(seek()).toBe(direct)
    world.carry(relayed, 0, 0)
    expect(world.alive()).toEqual([direct])
  })

  it('makes any connection where a relayed one falls silent, and goes without one where it ends', () => {
    const world = new World([42_001])
    const relayed = openTo(world, 'ann')
    world.tell({ type: 'relayed', connection: relayed.connection })
    world.carry(relayed, 1, suspectSeconds)
    expect(world.alive('connecting')).toEqual([])
    world.carry(relayed, 1, repairSeconds.first)
    expect(world.alive('connecting')).toMatchObject([{ connection: { direct: false } }])
    world.open(world.lives.at(-1)!)
    const next = world.lives.at(-1)!
    world.tell({ type: 'relayed', connection: next.connection })
    world.end(next)
    expect([world.alive(), world.state.tunnels.get('ann')?.type]).toEqual([[], 'resting'])
  })
})
