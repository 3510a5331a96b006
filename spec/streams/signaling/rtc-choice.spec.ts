import { describe, expect, it } from '@jest/globals'
import { BehaviorSubject, Subject } from 'rxjs'
import type { IceServer, RtcEvent, RtcSignal } from '../../../src/ports.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import type { UdpReport } from '../../../src/streams/signaling/reachability.js'
import { chosenRtc } from '../../../src/streams/signaling/rtc-choice.js'
import { fakeRtc } from '../support/fake-rtc.js'
import { virtualTime } from '../support/virtual-time.js'

const both: readonly IceServer[] = [
  { urls: ['turn:t.example', 'turn:t.example?transport=tcp'], username: 'u', credential: 'c' },
]
const offer: RtcSignal = { type: 'offer', sdp: 'v=0' }
const candidate: RtcSignal = { type: 'candidate', candidate: 'candidate:1', sdpMid: '0', sdpMLineIndex: 0 }

function scene(udp: UdpReport['udp'], iceServers = both, relayOnly = false) {
  const time = virtualTime()
  const usual = fakeRtc()
  const overTcp = fakeRtc()
  const udp$ = new BehaviorSubject(udp)
  const remote$ = new Subject<RtcSignal>()
  const events: RtcEvent[] = []
  const outcomes: unknown[] = []
  const rtc = chosenRtc({ usual, overTcp, udp$, scheduler: time.scheduler })
  const subscription = rtc.connect$({ initiator: false, iceServers, relayOnly, remote$ }).subscribe({
    next: event => events.push(event),
    error: error => outcomes.push(error),
    complete: () => outcomes.push('complete'),
  })
  const made = (): readonly number[] => [usual.links.length, overTcp.links.length]
  return { time, usual, overTcp, udp$, remote$, events, outcomes, subscription, made }
}

describe('chosenRtc', () => {
  it.each<[string, UdpReport['udp'], readonly IceServer[], boolean, readonly number[]]>([
    ['UDP gets through', 'open', both, false, [1, 0]],
    ['nobody could be asked', 'unknown', both, false, [1, 0]],
    ['UDP is blocked and there is a relay over TCP', 'blocked', both, false, [0, 1]],
    ['UDP is blocked and there is none', 'blocked', [{ urls: 'stun:s.example' }], false, [1, 0]],
    ['only a relay may be used, and is over UDP too', 'open', both, true, [1, 0]],
    ['only a relay may be used, and is over TLS alone', 'open', [{ urls: 'turns:t.example' }], true, [0, 1]],
  ])('chooses at once when %s', (_when, udp, servers, relayOnly, made) => {
    const connection = scene(udp, servers, relayOnly)
    expect(connection.made()).toEqual(made)
    const chosen = made[0] === 1 ? connection.usual : connection.overTcp
    expect(chosen.link.options).toMatchObject({ initiator: false, iceServers: servers, relayOnly })
    connection.remote$.next(offer)
    expect(chosen.link.remote).toEqual([offer])
    chosen.link.emit({ type: 'path', kind: 'relay', roundTripMs: 1 })
    expect(connection.events.at(-1)).toMatchObject({ type: 'path' })
    chosen.link.complete()
    expect([connection.outcomes, connection.remote$.observed]).toEqual([['complete'], false])
  })

  it('waits while it is being asked, loses no signal of the other side, and chooses once', () => {
    const { udp$, remote$, usual, overTcp, made, time } = scene('asking')
    remote$.next(offer)
    remote$.next(candidate)
    expect(made()).toEqual([0, 0])
    udp$.next('blocked')
    remote$.next(candidate)
    expect(overTcp.link.remote).toEqual([offer, candidate, candidate])
    udp$.next('asking')
    udp$.next('open')
    expect([made(), usual.links, time.pending()]).toEqual([[0, 1], [], 0])
  })

  it('waits for no answer where it makes no difference, and for 2 s at the most', () => {
    expect(scene('asking', [{ urls: 'stun:s.example' }]).made()).toEqual([1, 0])
    const late = scene('asking')
    late.time.advance(2_000)
    expect(late.made()).toEqual([1, 0])
  })

  it('fails with the other side’s signals, and leaves nothing when it is given up', () => {
    const failing = scene('open')
    const failure = new LighthouseError('bad-signature', 'not theirs')
    failing.remote$.error(failure)
    expect(failing.outcomes).toEqual([failure])
    const waiting = scene('asking')
    waiting.subscription.unsubscribe()
    expect([waiting.time.pending(), waiting.remote$.observed, waiting.udp$.observed]).toEqual([0, false, false])
  })
})
