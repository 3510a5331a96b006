import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { LighthouseError } from '../../../src/protocol/errors.js'
import type { ConnectionStats } from '../../../src/protocol/peer/stats.js'
import { maxAttempts, stepTunnels, suspectSeconds } from '../../../src/protocol/tunnels/step.js'
import {
  createTunnelsState,
  type TunnelConnection,
  type TunnelReport,
  type TunnelsEffect,
  type TunnelsEvent,
  type TunnelsState,
} from '../../../src/protocol/tunnels/tunnels.js'
import { deepFreeze } from '../../support/freeze.js'

/** A connection as those see it who perform the effects. */
interface Life {
  readonly connection: TunnelConnection
  phase: 'connecting' | 'opened' | 'binding' | 'listening' | 'closed'
  port: number
  silentSeconds: number
}

const broke = new LighthouseError('webrtc-failed', 'it broke')
const inUse = new LighthouseError('port-in-use', 'taken')
const noHandles = new LighthouseError('invalid-option', 'no file handles left')

/** Performs the effects as the streams do, and checks after every step what must hold. */
class World {
  state: TunnelsState<number>
  readonly lives: Life[] = []
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

  listen(life: Life): void {
    life.phase = 'listening'
    if (life.port === 0) life.port = this.nextPort++
    this.tell({ type: 'listening', connection: life.connection, port: life.port })
  }

  failListener(life: Life, reason: LighthouseError): void {
    this.tell({ type: 'listener-failed', connection: life.connection, reason })
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
    if (effect.type === 'answer' || effect.type === 'refuse') {
      // Once, and nobody who wants none.
      expect(this.waiting.delete(effect.waiter)).toBe(true)
      this.answered.push(effect.waiter)
      if (effect.type === 'answer')
        expect(this.alive('listening').map(({ port }) => port)).toContain(effect.tunnel.port)
    } else if (effect.type === 'connect') {
      this.lives.push({ connection: effect.connection, phase: 'connecting', port: 0, silentSeconds: 0 })
      expect(effect.connection.id).toBe(this.lives.length - 1)
    } else if (effect.type === 'report') {
      this.hear(effect.report)
    } else {
      const life = this.lives[effect.connection.id]!
      expect(life.phase).not.toBe('closed')
      if (effect.type === 'close') {
        life.phase = 'closed'
      } else {
        expect(['opened', 'binding']).toContain(life.phase)
        life.phase = 'binding'
        life.port = effect.port
      }
    }
  }

  private hear(report: TunnelReport): void {
    if (report.type !== 'ended') return
    const { id } = this.lives.findLast(
      ({ connection: { id, nickname }, phase }) =>
        nickname === report.nickname && phase === 'closed' && !this.ended.includes(id),
    )!.connection
    this.ended.push(id)
    expect(report.session).toBe(report.tunnel === undefined ? report.session : `session-${id}`)
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
      expect(own.filter(({ phase }) => phase !== 'connecting').length).toBeLessThanOrEqual(1)
    }
    expect(this.alive().length).toBeLessThanOrEqual(this.ports.length + maxAttempts)
    // Who has a slot is who is open, and no port is two tunnels'.
    const open = this.alive('binding', 'listening')
    const owners = this.state.slots.slots.flatMap(({ owner }) => owner ?? [])
    expect(owners.toSorted()).toEqual(open.map(({ connection }) => connection.nickname).toSorted())
    const ports = open.map(({ port }) => port).filter(port => port !== 0)
    expect(new Set(ports).size).toBe(ports.length)
    expect(this.state.tunnels.size).toBe(new Set(this.alive().map(({ connection }) => connection.nickname)).size)
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
      return among(world.alive('binding'), life => world.listen(life))
    case 'in use':
      return among(world.alive('binding'), life => world.failListener(life, inUse))
    case 'no handles':
      return among(world.alive('binding', 'listening'), life => world.failListener(life, noHandles))
    case 'carry':
      return among(world.alive('listening'), life => world.carry(life, streams, silentSeconds))
    case 'silence':
      return among(world.alive('listening'), life => {
        world.carry(life, streams, suspectSeconds + silentSeconds)
        world.ask(life.connection.nickname)
      })
    case 'end':
      return among(world.alive(), life => world.end(life))
    case 'late':
      return among(
        world.lives.filter(({ phase }) => phase === 'closed'),
        ({ connection }) => {
          const before = world.state
          world.tell({ type: 'opened', connection, session: 'late' })
          world.tell({ type: 'listening', connection, port: 1 })
          world.tell({ type: 'listener-failed', connection, reason: inUse })
          world.tell({ type: 'ended', connection, reason: broke })
          expect(world.state).toBe(before)
        },
      )
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
        for (const life of world.alive('binding'))
          for (let tries = 0; tries < triesAtMost && life.phase !== 'closed'; tries++) world.failListener(life, inUse)
        expect(world.alive('binding')).toEqual([])
        for (const life of world.lives) if (life.phase !== 'closed') world.end(life)
        expect([world.alive(), world.waiting.size, world.state.tunnels.size]).toEqual([[], 0, 0])
        expect(world.state.slots.slots.every(({ owner }) => owner === undefined)).toBe(true)
      }),
      { numRuns: 250 },
    )
  })

  it('evicts no attempt with the silent connection that it was to replace', () => {
    const world = new World([42_001])
    const openTo = (name: string): Life => {
      world.ask(name)
      const life = world.lives.at(-1)!
      world.open(life)
      world.listen(life)
      return life
    }
    const silent = openTo('ann')
    world.carry(silent, 1, suspectSeconds)
    world.ask('ann')
    const attempt = world.lives.at(-1)!
    const other = openTo('bob')
    expect([silent.phase, attempt.phase, world.waiting.size]).toEqual(['closed', 'connecting', 1])
    world.open(attempt)
    expect(other.phase).toBe('closed')
    world.listen(attempt)
    expect(world.waiting.size).toBe(0)
  })
})
