import { describe, expect, it } from '@jest/globals'
import { Subject } from 'rxjs'
import { encodeFrame } from '../../src/protocol/smux.js'
import {
  maxServed,
  maxServedAttempts,
  maxServedPerKey,
  type Offer,
  seeding$,
  type SeedingReport,
} from '../../src/streams/seeding.js'
import { type MemorySocket, memorySocket } from '../support/memory-socket.js'
import { fakeConnections } from './support/fake-connection.js'
import { virtualTime } from './support/virtual-time.js'

function world({ shares = true, unwanted = '' } = {}) {
  const time = virtualTime()
  const connections = fakeConnections(time)
  const offer$ = new Subject<Offer>()
  const refused: string[] = []
  const dialled: { readonly key: string; readonly socket: MemorySocket }[] = []
  const dial = (key: string): MemorySocket => {
    const socket = memorySocket()
    dialled.push({ key, socket })
    return socket
  }
  const reports: SeedingReport[] = []
  const outcomes: unknown[] = []
  let offers = 0
  const subscription = seeding$({
    offer$,
    answer$: ({ session }) => connections.connect$(session),
    dial: shares ? dial : undefined,
    refusal: key => (key === unwanted ? 'you owe me' : undefined),
    refuse: (_offer, reason) => refused.push(reason),
    clock: time.clock,
    scheduler: time.scheduler,
  }).subscribe({ next: report => reports.push(report), error: error => outcomes.push(error) })
  const offer = (from: string, session = `offer-${offers++}`): string => {
    offer$.next({ type: 'offer', session, from, to: 'me', payload: { sdp: '' }, signature: '' })
    return session
  }
  const ended = (): readonly string[] =>
    reports.flatMap(report => (report.type === 'ended' ? [`${report.session} ${report.reason.code}`] : []))
  const alive = (): number => connections.made.filter(connection => connection.alive).length
  return { time, connections, offer$, offer, refused, dialled, reports, outcomes, subscription, ended, alive }
}

describe('seeding$', () => {
  it('answers an offer and dials what is shared for each stream, in the name of its key', () => {
    const { offer, connections, dialled, reports, time } = world()
    const session = offer('key of alice')
    const connection = connections.last(session)
    connection.open()
    connection.far.send(encodeFrame({ command: 'syn', streamId: 3 }, 2))
    connection.far.send(encodeFrame({ command: 'syn', streamId: 5 }, 2))
    time.advance(5)
    expect(dialled.map(({ key }) => key)).toEqual(['key of alice', 'key of alice'])
    const stats = reports.findLast(report => report.type === 'stats')
    expect(stats).toMatchObject({ stats: { role: 'seeder', streams: 2, nickname: undefined, tunnelPort: undefined } })
  })

  it('reports figures when streams come and go and once a second, not with each message', () => {
    const { offer, connections, dialled, reports, time } = world()
    const connection = connections.last(offer('alice'))
    connection.open()
    connection.far.send(encodeFrame({ command: 'syn', streamId: 3 }, 2))
    time.advance(5)
    const before = reports.length
    for (let message = 0; message < 50; message++) {
      connection.far.send(encodeFrame({ command: 'psh', streamId: 3, data: Uint8Array.of(message) }, 2))
      time.advance(5)
    }
    expect(dialled[0]!.socket.written.length).toBe(50)
    expect(reports.length).toBe(before)
    time.advance(1000)
    expect(reports.slice(before)).toEqual([
      { type: 'stats', stats: expect.objectContaining({ receivedBytes: 50, streams: 1 }) },
    ])
  })

  it('turns every offer away when nothing is shared', () => {
    const { offer, refused, connections } = world({ shares: false })
    offer('alice')
    expect(refused).toEqual(['this peer shares nothing'])
    expect(connections.made).toEqual([])
  })

  it('turns a key away that is not wanted now, in words, and no other', () => {
    const { offer, refused, connections } = world({ unwanted: 'mallory' })
    offer('mallory')
    expect([refused, connections.made.length]).toEqual([['you owe me'], 0])
    offer('alice')
    expect([refused.length, connections.made.length]).toEqual([1, 1])
  })

  it('turns a session away that exists already', () => {
    const { offer, refused, connections } = world()
    offer('alice', 'the-same')
    offer('bob', 'the-same')
    expect(refused).toEqual(['this session exists already'])
    expect(connections.made.length).toBe(1)
  })

  it('serves eight connections of one key', () => {
    const { offer, refused, connections, alive } = world()
    const sessions = Array.from({ length: maxServedPerKey }, () => offer('alice'))
    for (const session of sessions) connections.last(session).open()
    offer('alice')
    expect([refused.length, alive()]).toEqual([1, 8])
    offer('bob')
    expect(alive()).toBe(9)
    connections.last(sessions[0]!).close()
    offer('alice')
    expect([refused.length, alive()]).toEqual([1, 9])
  })

  it('makes 32 connections at a time, and has 200 in all', () => {
    const { offer, refused, connections, alive } = world()
    const keys = Array.from({ length: 300 }, (_, index) => `key ${index}`)
    for (const key of keys.slice(0, 100)) offer(key)
    expect([alive(), refused.length]).toEqual([maxServedAttempts, 68])
    for (const { open } of connections.made) open()
    for (const key of keys) {
      offer(key)
      connections.made.at(-1)!.open()
    }
    expect(alive()).toBe(maxServed)
    expect(refused.at(-1)).toContain('try again later')
  })

  it('loses nothing but the one connection to a bad offer or a peer that breaks the rules', () => {
    const { offer, connections, time, ended, outcomes, dialled, alive } = world()
    const [bad, broken, good] = [offer('a'), offer('b'), offer('c')]
    connections.last(bad).close()
    connections.last(broken).open()
    connections.last(good).open()
    connections.last(broken).far.send(encodeFrame({ command: 'syn', streamId: 3 }, 2))
    time.advance(5)
    connections.last(broken).far.send(new Uint8Array([9, 9, 9, 9, 9, 9, 9, 9]))
    time.advance(5)
    expect(ended()).toEqual([`${bad} webrtc-failed`, `${broken} frame-version`])
    expect(dialled[0]!.socket.aborted).toBe(true)
    expect([alive(), outcomes.length]).toEqual([1, 0])
  })

  it('reports the end of a connection whose other side left', () => {
    const { offer, connections, time, ended } = world()
    const session = offer('a')
    connections.last(session).open()
    connections.last(session).far.close()
    time.advance(5)
    expect(ended()).toEqual([`${session} channel-closed`])
  })

  it('closes every connection and socket when it is unsubscribed from', () => {
    const { offer, connections, time, subscription, dialled, alive, offer$ } = world()
    const session = offer('a')
    offer('b')
    connections.last(session).open()
    connections.last(session).far.send(encodeFrame({ command: 'syn', streamId: 3 }, 2))
    time.advance(5)
    subscription.unsubscribe()
    expect([alive(), offer$.observed, dialled[0]!.socket.aborted]).toEqual([0, false, true])
    time.advance(5)
    expect(time.pending()).toBe(0)
  })
})
