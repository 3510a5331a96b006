import { describe, expect, it } from '@jest/globals'
import { map, Observable, Subject, takeUntil, timer } from 'rxjs'
import type { IceServer } from '../../../src/ports.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { createReachability } from '../../../src/streams/signaling/reachability.js'
import { virtualTime } from '../support/virtual-time.js'

const servers: readonly IceServer[] = [{ urls: ['stun:one.example', 'stun:two.example'] }]

/** A network in which each server answers after so many milliseconds, or 1,500 ms pass. */
function scene() {
  const time = virtualTime()
  const iceServers$ = new Subject<readonly IceServer[]>()
  const network = {
    answersAfterMs: { 'one.example': 40, 'two.example': 60 } as Record<string, number | undefined>,
    asked: [] as string[],
    asksUdp$: ({ host }: { readonly host: string }) =>
      new Observable<boolean>(subscriber => {
        network.asked.push(host)
        const ms = network.answersAfterMs[host]
        return timer(ms ?? 1_500, time.scheduler)
          .pipe(map(() => ms !== undefined))
          .subscribe(subscriber)
      }),
  }
  const networkChange$ = new Subject<void>()
  const hubConnection$ = iceServers$.pipe(map(iceServers => ({ iceServers })))
  const reachability = createReachability({
    network,
    networkChange$,
    iceServers: [],
    hubConnection$,
    scheduler: time.scheduler,
  })
  const over$ = new Subject<void>()
  const seen: string[] = []
  reachability.report$.pipe(takeUntil(over$)).subscribe(({ udp }) => seen.push(udp))
  const fail = (code: 'connect-timeout' | 'webrtc-failed' | 'peer-refused'): void =>
    reachability.note({ type: 'ended', reason: new LighthouseError(code, 'it failed') })
  return { time, iceServers$, networkChange$, network, reachability, seen, fail, stop: () => over$.next() }
}

describe('reachability', () => {
  it('asks every server at a sign-in, and says what came of it', () => {
    const { time, iceServers$, network, reachability, seen } = scene()
    const newest: string[] = []
    reachability.udp$.subscribe(udp => newest.push(udp))
    iceServers$.next(servers)
    time.advance(100)
    expect(network.asked).toEqual(['one.example', 'two.example'])
    expect(seen).toEqual(['asking', 'open'])
    expect(newest).toEqual(['unknown', 'asking', 'open'])
  })

  it('treats UDP as blocked when nobody answers, and as unknown if nobody can be asked', () => {
    const { time, iceServers$, network, seen } = scene()
    network.answersAfterMs = {}
    iceServers$.next(servers)
    time.advance(1_600)
    iceServers$.next([{ urls: 'turns:turn.example' }])
    expect(seen).toEqual(['asking', 'blocked', 'asking', 'unknown'])
  })

  it('asks again when the network of this machine has changed, and not before', () => {
    const { time, iceServers$, networkChange$, network, seen } = scene()
    iceServers$.next(servers)
    time.advance(120_000)
    expect(seen).toEqual(['asking', 'open'])
    network.answersAfterMs = {}
    networkChange$.next()
    time.advance(1_600)
    expect(seen).toEqual(['asking', 'open', 'asking', 'blocked'])
  })

  it('asks again after an attempt that got no answer or failed, at most every 10 s, and after no other end', () => {
    const { time, iceServers$, network, seen, fail } = scene()
    iceServers$.next(servers)
    time.advance(1_000)
    fail('peer-refused')
    time.advance(1_000)
    expect(network.asked.length).toBe(2)
    for (let attempt = 0; attempt < 100; attempt++) {
      fail(attempt % 2 === 0 ? 'connect-timeout' : 'webrtc-failed')
      time.advance(100)
    }
    expect(network.asked.length).toBe(4)
    time.advance(1_000)
    fail('webrtc-failed')
    time.advance(1_000)
    expect(network.asked.length).toBe(6)
    expect(seen).toEqual(['asking', 'open', 'asking', 'open', 'asking', 'open'])
  })

  it('leaves no timer', () => {
    const { time, iceServers$, stop } = scene()
    iceServers$.next(servers)
    stop()
    expect(time.pending()).toBe(0)
  })
})
