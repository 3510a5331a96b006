import { describe, expect, it } from '@jest/globals'
import { EMPTY, type Observable, of, Subject } from 'rxjs'
import { encodeFrames } from '../../../src/protocol/mux/frame.js'
import type { Offer } from '../../../src/protocol/signaling/signal.js'
import { seeding$, type SeedingReport, servedLimits } from '../../../src/streams/serving/seeding.js'
import { type MemorySocket, memorySocket } from '../../support/memory-socket.js'
import { fakeConnections } from '../support/fake-connection.js'
import { virtualTime } from '../support/virtual-time.js'

interface World {
  readonly shares?: boolean
  readonly unwanted?: string
  readonly paid?: string
  readonly isOnline$?: (key: string) => Observable<boolean>
}

function world({ shares = true, unwanted = '', paid = 'nobody', isOnline$ = () => EMPTY }: World = {}) {
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
    isOnline$,
    refusal: key => (key === unwanted ? 'you owe me' : undefined),
    hasPaid: key => key.startsWith(paid),
    refuse: (_offer, reason) => refused.push(reason),
    clock: time.clock,
    scheduler: time.scheduler,
  }).subscribe({ next: report => reports.push(report), error: error => outcomes.push(error) })
  const offer = (from: string, session = `offer-${offers++}`): string => {
    offer$.next({ type: 'offer', session, from, to: 'me', payload: { sdp: '' }, signature: '' })
    return session
  }
  /** An open connection with so many streams, where there is a place for it. */
  const serve = (from: string, streams: number): string => {
    const before = connections.made.length
    const session = offer(from)
    if (connections.made.length === before) return session
    const connection = connections.last(session)
    connection.open()
    const syn = Array.from({ length: streams }, (_, index) =>
      encodeFrames([{ command: 'syn', streamId: 3 + 2 * index }], 2),
    )
    for (const frame of syn) connection.far.send(frame)
    time.advance(2)
    return session
  }
  const ended = (): readonly string[] =>
    reports.flatMap(report => (report.type === 'ended' ? [`${report.session} ${report.reason.code}`] : []))
  const alive = (): number => connections.made.filter(connection => connection.alive).length
  return { time, connections, offer$, offer, serve, refused, dialled, reports, outcomes, subscription, ended, alive }
}

describe('seeding$', () => {
  it('answers an offer and dials what is shared for each stream, in the name of its key', () => {
    const { offer, connections, dialled, reports, time } = world()
    const session = offer('key of alice')
    const connection = connections.last(session)
    connection.open()
    connection.far.send(encodeFrames([{ command: 'syn', streamId: 3 }], 2))
    connection.far.send(encodeFrames([{ command: 'syn', streamId: 5 }], 2))
    time.advance(5)
    expect(dialled.map(({ key }) => key)).toEqual(['key of alice', 'key of alice'])
    const stats = reports.findLast(report => report.type === 'stats')
    expect(stats).toMatchObject({ stats: { role: 'seeder', streams: 2, nickname: undefined, tunnelPort: undefined } })
  })

  it('reports figures when streams come and go and once a second, not with each message', () => {
    const { offer, connections, dialled, reports, time } = world()
    const connection = connections.last(offer('alice'))
    connection.open()
    connection.far.send(encodeFrames([{ command: 'syn', streamId: 3 }], 2))
    time.advance(5)
    const before = reports.length
    for (let message = 0; message < 50; message++) {
      connection.far.send(encodeFrames([{ command: 'psh', streamId: 3, data: Uint8Array.of(message) }], 2))
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

  it('serves four connections of one key, of which one that rests goes for its newest offer', () => {
    const { serve, offer, refused, ended, time, alive } = world()
    const sessions = [serve('alice', 1), serve('alice', 1), serve('alice', 0)]
    time.advance(1)
    serve('alice', 1)
    expect(alive()).toBe(4)
    serve('alice', 1)
    expect([alive(), ended(), refused]).toEqual([4, [`${sessions[2]} too-many-connections`], []])
    // All are at work now.
    offer('alice')
    expect([alive(), refused.length]).toEqual([4, 1])
    serve('bob', 0)
    expect(alive()).toBe(5)
  })

  it('makes two connections of one key at a time: the newest ones that it asked for', () => {
    const { offer, refused, ended, connections, time } = world()
    const sessions = [offer('alice'), offer('alice')]
    time.advance(1)
    sessions.push(offer('alice'))
    expect([ended(), refused]).toEqual([[`${sessions[0]} too-many-connections`], []])
    expect(sessions.map(session => connections.last(session).alive)).toEqual([false, true, true])
  })

  it('makes 32 connections at a time, and has 200 in all, of which 40 are for keys that have paid', () => {
    const { serve, offer, connections, alive, refused } = world({ paid: 'rich' })
    const keys = Array.from({ length: 300 }, (_, index) => `key ${index}`)
    for (const key of keys.slice(0, 100)) offer(key)
    expect([alive(), refused.length]).toEqual([servedLimits.making, 68])
    for (const { open } of connections.made) open()
    for (const key of keys.slice(32)) serve(key, 1)
    expect([alive(), refused.at(-1)]).toEqual([160, 'this peer is serving as many as it can; try again later'])
    for (let index = 0; index < 100; index++) serve(`rich ${index}`, 1)
    expect(alive()).toBe(servedLimits.total)
  })

  it('lets others in when keys fill all places: for connections that rest, and for those that one key has more of', () => {
    const { serve, ended, alive, time, connections } = world()
    const greedy = Array.from({ length: 20 }, (_, key) => Array.from({ length: 4 }, () => serve(`greedy ${key}`, 1)))
    const idle = Array.from({ length: 80 }, (_, key) => serve(`idle ${key}`, 0))
    expect(alive()).toBe(servedLimits.unpaid)
    serve('alice', 1)
    expect(ended()).toEqual([`${greedy[0]![0]} too-many-connections`])
    for (let second = 0; second < servedLimits.restMs / 1000; second++) {
      for (const { alive: open, far } of connections.made)
        if (open) far.send(encodeFrames([{ command: 'nop', streamId: 0 }], 2))
      time.advance(1000)
    }
    for (let index = 0; index < 10; index++) serve(`honest ${index}`, 1)
    // Of the keys that have most first, whether or not they rest.
    expect(
      ended()
        .slice(1)
        .every(text => greedy.flat().some(session => text.startsWith(`${session} `))),
    ).toBe(true)
    for (let index = 10; index < 140; index++) serve(`honest ${index}`, 1)
    expect(idle.every(session => ended().includes(`${session} too-many-connections`))).toBe(true)
    expect(alive()).toBe(servedLimits.unpaid)
  })

  it('loses nothing but the one connection to a bad offer or a peer that breaks the rules', () => {
    const { offer, connections, time, ended, outcomes, dialled, alive } = world()
    const [bad, broken, good] = [offer('a'), offer('b'), offer('c')]
    connections.last(bad).close()
    connections.last(broken).open()
    connections.last(good).open()
    connections.last(broken).far.send(encodeFrames([{ command: 'syn', streamId: 3 }], 2))
    time.advance(5)
    connections.last(broken).far.send(new Uint8Array([9, 9, 9, 9, 9, 9, 9, 9]))
    time.advance(5)
    expect(ended()).toEqual([`${bad} webrtc-failed`, `${broken} frame-version`])
    expect(dialled[0]!.socket.wasReset).toBe(true)
    expect([alive(), outcomes.length]).toEqual([1, 0])
  })

  it('asks the hub for a peer that is silent for six seconds, each three seconds, and gives it up when it is not there', () => {
    const asked: string[] = []
    const answer$ = new Subject<boolean>()
    const { offer, connections, time, ended, alive } = world({
      isOnline$: key => {
        asked.push(key)
        return asked.length === 1 ? of(true) : answer$
      },
    })
    const session = offer('a')
    connections.last(session).open()
    time.advance(5_999)
    expect(asked).toEqual([])
    time.advance(1_002)
    expect(asked).toEqual([`key of ${session}`])
    time.advance(2_900)
    expect(asked.length).toBe(1)
    time.advance(1_000)
    expect([asked.length, ended()]).toEqual([2, []])
    answer$.next(false)
    expect(ended()).toEqual([`${session} peer-silent`])
    expect([alive(), answer$.observed]).toEqual([0, false])
    time.advance(5)
    expect(time.pending()).toBe(0)
  })

  it('asks for nobody who is heard of, or who may be silent for longer', () => {
    const asked: string[] = []
    const { offer, connections, time } = world({
      isOnline$: key => {
        asked.push(key)
        return EMPTY
      },
    })
    const [lively, strange] = [offer('a'), offer('b')]
    connections.last(lively).open()
    connections.last(strange).open({ version: 1, rst: false })
    for (let second = 0; second < 12; second++) {
      connections.last(lively).far.send(encodeFrames([{ command: 'nop', streamId: 0 }], 2))
      time.advance(1000)
    }
    expect(asked).toEqual([])
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
    connections.last(session).far.send(encodeFrames([{ command: 'syn', streamId: 3 }], 2))
    time.advance(5)
    subscription.unsubscribe()
    expect([alive(), offer$.observed, dialled[0]!.socket.wasReset]).toEqual([0, false, true])
    time.advance(5)
    expect(time.pending()).toBe(0)
  })
})
