import { describe, expect, it } from '@jest/globals'
import type { ProbeEvent } from '../../../src/protocol/doctor/probe.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { encodeFrames } from '../../../src/protocol/mux/frame.js'
import type { SessionPayment } from '../../../src/streams/coins/session-payment.js'
import { probePeer$ } from '../../../src/streams/doctor/probe-peer.js'
import { fakeConnections } from '../support/fake-connection.js'
import { virtualTime } from '../support/virtual-time.js'

function scene() {
  const time = virtualTime()
  const connections = fakeConnections(time)
  const events: ProbeEvent[] = []
  const outcomes: string[] = []
  const payment = (): SessionPayment => ({ follow: event$ => event$ })
  const probe$ = probePeer$(
    { offer$: connections.connect$, payment, clock: time.clock, scheduler: time.scheduler },
    'bob',
  )
  const subscription = probe$.subscribe({
    next: event => events.push(event),
    complete: () => outcomes.push('complete'),
    error: () => outcomes.push('error'),
  })
  const connection = connections.last('bob')
  const received: Uint8Array[] = []
  connection.far.message$.subscribe(message => received.push(message))
  return { time, events, outcomes, subscription, connection, received }
}

describe('a probe', () => {
  it('tells each phase with its time, asks for a head, and ends the connection when all has come', () => {
    const { time, events, outcomes, connection, received } = scene()
    const base = { session: 's', pubKey: 'key' }
    connection.emit({ type: 'resolving', nickname: 'bob' })
    time.advance(5)
    connection.emit({ type: 'offering', ...base })
    connection.emit({ type: 'connecting', ...base })
    time.advance(10)
    connection.emit({ type: 'delivered' })
    connection.emit({ type: 'answered' })
    connection.emit({ type: 'candidates', side: 'own', kinds: ['host'] })
    connection.open()
    time.advance(10)
    connection.emit({ type: 'path', kind: 'unknown', roundTripMs: undefined })
    connection.emit({ type: 'path', kind: 'relay', roundTripMs: 30 })
    connection.emit({ type: 'path', kind: 'host', roundTripMs: 3 })
    expect(outcomes).toEqual([])
    expect(Buffer.concat(received).toString('latin1')).toMatch(/HEAD \/ HTTP\/1\.1\r\n[^]*\r\n\r\n/)
    const answer = new TextEncoder().encode('HTTP/1.1 204 No Content\r\n\r\n')
    connection.far.send(encodeFrames([{ command: 'psh', streamId: 3, data: answer }], 2))
    time.advance(10)
    expect(events.map(({ type, ms }) => [type, ms])).toEqual([
      ['phase', 5],
      ['phase', 5],
      ['phase', 15],
      ['phase', 15],
      ['candidates', 15],
      ['phase', 15],
      ['path', 25],
      ['path', 25],
      ['answer', 26],
    ])
    expect(events.at(-1)).toMatchObject({ status: 204 })
    expect([outcomes, connection.alive, time.pending()]).toEqual([['complete'], false, 0])
  })

  it('ends 5 s after the connection opened where nothing comes', () => {
    const { time, events, outcomes, connection } = scene()
    connection.open()
    time.advance(4_900)
    expect(outcomes).toEqual([])
    time.advance(200)
    expect([outcomes, connection.alive, events.map(({ type }) => type)]).toEqual([['complete'], false, ['phase']])
    time.advance(1_000)
    expect(time.pending()).toBe(0)
  })

  it('ends with the failure, and what to do', () => {
    const { events, outcomes, connection } = scene()
    connection.close(new LighthouseError('connect-timeout', 'late', { next: 'Wait.' }))
    expect([events, outcomes]).toEqual([
      [{ type: 'failed', code: 'connect-timeout', message: 'late', next: 'Wait.', ms: 0 }],
      ['complete'],
    ])
  })

  it('lets go of everything when nobody listens any more', () => {
    const { time, connection, subscription } = scene()
    connection.open()
    time.advance(100)
    subscription.unsubscribe()
    time.advance(1_000)
    expect([connection.alive, time.pending()]).toEqual([false, 0])
  })
})
