import { describe, expect, it } from '@jest/globals'
import { NEVER, type SchedulerLike } from 'rxjs'
import { type NetworkChange, networkChange$, watchNetwork } from '../../../src/streams/signaling/network-change.js'
import { virtualTime } from '../support/virtual-time.js'

/** A machine whose addresses and wall clock the spec sets. */
function machine() {
  const time = virtualTime()
  let sleptMs = 0
  const network = { now: ['192.0.2.1', '2001:db8::1'], addresses: () => network.now }
  const scheduler: SchedulerLike = {
    now: () => time.scheduler.now() + sleptMs,
    schedule: time.scheduler.schedule.bind(time.scheduler),
  }
  const sleep = (ms: number): void => void (sleptMs += ms)
  return { time, network, scheduler, sleep }
}

describe('networkChange$', () => {
  const watched = () => {
    const world = machine()
    const seen: NetworkChange[] = []
    const subscription = networkChange$(world.network, world.scheduler).subscribe(change => seen.push(change))
    return { ...world, seen, subscription }
  }

  it('says nothing while nothing changes, and stops looking when nobody wants to know', () => {
    const { time, seen, subscription } = watched()
    time.advance(600_000)
    expect(seen).toEqual([])
    subscription.unsubscribe()
    expect(time.pending()).toBe(0)
  })

  it('tells an address that has come from one that is gone, within a second, once', () => {
    const { time, network, seen } = watched()
    network.now = ['192.0.2.1', '198.51.100.7', '2001:db8::1']
    time.advance(1_000)
    expect(seen).toEqual(['gained'])
    network.now = ['203.0.113.5']
    time.advance(1_000)
    expect(seen).toEqual(['gained', 'lost'])
    time.advance(60_000)
    expect(seen.length).toBe(2)
  })

  it('notices at its next look that time has passed, and in another network that this is another one', () => {
    const { time, network, seen, sleep } = watched()
    time.advance(1_500)
    sleep(3_900)
    time.advance(1_000)
    expect(seen).toEqual([])
    sleep(15_000)
    time.advance(1_000)
    expect(seen).toEqual(['woken'])
    sleep(3_600_000)
    network.now = ['198.51.100.7']
    time.advance(1_000)
    expect(seen).toEqual(['woken', 'lost'])
  })

  it('takes no clock that is set back for anything', () => {
    const { time, seen, sleep } = watched()
    sleep(-3_600_000)
    time.advance(10_000)
    expect(seen).toEqual([])
  })
})

describe('watchNetwork', () => {
  it('ends a hub connection from an address that is gone, and others hear of it after that', () => {
    const { time, network, scheduler, sleep } = machine()
    const watched = watchNetwork({ network, transport: { connect$: () => NEVER }, scheduler })
    const seen: string[] = []
    watched.networkChange$.subscribe(change => seen.push(change))
    const connection = watched.transport.connect$('key').subscribe({ error: ({ code }) => seen.push(String(code)) })
    network.now = [...network.now, '198.51.100.7']
    time.advance(1_000)
    sleep(60_000)
    time.advance(1_000)
    expect([...seen, connection.closed]).toEqual(['gained', 'woken', false])
    network.now = ['198.51.100.7']
    time.advance(1_000)
    expect(seen.slice(2)).toEqual(['hub-unreachable', 'lost'])
  })
})
