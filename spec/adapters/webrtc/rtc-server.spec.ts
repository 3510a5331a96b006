import { describe, expect, it } from '@jest/globals'
import { Subject } from 'rxjs'
import { createRtcClient } from '../../../src/adapters/webrtc/rtc-client.js'
import { costOf, type RtcReport } from '../../../src/adapters/webrtc/rtc-messages.js'
import { createRtcServer, maxUnconsumedBytes } from '../../../src/adapters/webrtc/rtc-server.js'
import type { ByteChannel, RtcEvent, RtcSignal } from '../../../src/ports.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { type FakeRtc, fakeRtc } from '../../streams/support/fake-rtc.js'
import { memoryChannelPair } from '../../support/memory-channel.js'

interface Scene {
  readonly rtc: FakeRtc
  readonly events: RtcEvent[]
  readonly outcomes: unknown[]
  readonly remote$: Subject<RtcSignal>
  readonly reports: RtcReport[]
  readonly unsubscribe: () => void
  readonly closeServer: () => void
  /** From now on the client hears nothing. */
  readonly deafen: () => void
}

/** A connection over a pair of objects that call each other. */
function scene(): Scene {
  const rtc = fakeRtc()
  let isDeaf = false
  const reports: RtcReport[] = []
  const server = createRtcServer(rtc, report => {
    reports.push(report)
    if (!isDeaf) client.on(report)
  })
  const client = createRtcClient(command => server.on(command))
  const events: RtcEvent[] = []
  const outcomes: unknown[] = []
  const remote$ = new Subject<RtcSignal>()
  const iceServers = [{ urls: 'stun:stun.example' }]
  const subscription = client.connect$({ initiator: true, iceServers, relayOnly: true, remote$ }).subscribe({
    next: event => events.push(event),
    error: error => outcomes.push(error),
    complete: () => outcomes.push('complete'),
  })
  return {
    rtc,
    events,
    outcomes,
    remote$,
    reports,
    unsubscribe: () => subscription.unsubscribe(),
    closeServer: () => server.close(),
    deafen: () => (isDeaf = true),
  }
}

const offer: RtcSignal = { type: 'offer', sdp: 'v=0' }
const answer: RtcSignal = { type: 'answer', sdp: 'v=0' }

function openedChannel({ rtc, events }: Scene): { readonly channel: ByteChannel; readonly far: ByteChannel } {
  const [near, far] = memoryChannelPair()
  rtc.link.emit({ type: 'open', channel: near })
  const opened = events.at(-1)
  if (opened?.type !== 'open') throw new Error('not open')
  return { channel: opened.channel, far }
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('WebRTC connections in another process', () => {
  it('distinguish a defect there from a connection that fails, with its place', () => {
    const [wrong, failed] = [scene(), scene()]
    const defect = new TypeError('x is not a function')
    wrong.rtc.link.fail(defect)
    failed.rtc.link.fail(new Error('ICE failed'))
    expect(wrong.outcomes).toMatchObject([{ code: 'internal', cause: { stack: defect.stack } }])
    expect(failed.outcomes).toMatchObject([{ code: 'webrtc-failed', cause: undefined }])
  })

  it('pass options, signals and paths', () => {
    const { rtc, events, remote$ } = scene()
    expect(rtc.link.options).toMatchObject({
      initiator: true,
      iceServers: [{ urls: 'stun:stun.example' }],
      relayOnly: true,
    })
    rtc.link.emit({ type: 'signal', signal: offer })
    rtc.link.emit({ type: 'path', kind: 'host', roundTripMs: 3 })
    remote$.next(answer)
    expect(rtc.link.remote).toEqual([answer])
    expect(events).toEqual([
      { type: 'engine', name: 'fake', greets: false },
      { type: 'signal', signal: offer },
      { type: 'path', kind: 'host', roundTripMs: 3 },
    ])
  })

  it('carry bytes both ways, those that came before anybody read too, and say what has drained', async () => {
    const { channel, far } = openedChannel(scene())
    far.send(Uint8Array.of(1))
    await turn()
    const got: number[] = []
    channel.message$.subscribe(message => got.push(...message))
    far.send(Uint8Array.of(2, 3))
    const there: number[] = []
    far.message$.subscribe(message => there.push(...message))
    let drained = 0
    channel.drained$.subscribe(bytes => (drained += bytes))
    channel.send(Uint8Array.of(4, 5, 6))
    await turn()
    expect([got, there, drained]).toEqual([[1, 2, 3], [4, 5, 6], 3])
  })

  it('complete, error and are ended from either side, and leave nothing', () => {
    const completed = scene()
    completed.rtc.link.complete()
    const failed = scene()
    const failure = new LighthouseError('protocol-violation', 'too much data')
    failed.rtc.link.fail(failure)
    const left = scene()
    left.unsubscribe()
    const stopped = scene()
    stopped.closeServer()
    const refused = scene()
    const wrong = new LighthouseError('bad-signature', 'not theirs')
    refused.remote$.error(wrong)
    expect(
      [completed, failed, left, stopped, refused].map(({ rtc, remote$ }) => [rtc.link.open, remote$.observed]),
    ).toEqual([
      [false, false],
      [false, false],
      [false, false],
      [false, true],
      [false, false],
    ])
    expect([completed.outcomes, failed.outcomes, left.outcomes, refused.outcomes]).toEqual([
      ['complete'],
      [failure],
      [],
      [wrong],
    ])
  })

  it('take no bytes when they are over', () => {
    const connection = scene()
    const { channel } = openedChannel(connection)
    const outcomes: unknown[] = []
    channel.message$.subscribe({ complete: () => outcomes.push('complete') })
    connection.rtc.link.complete()
    expect(outcomes).toEqual(['complete'])
    expect(() => channel.send(Uint8Array.of(1))).toThrow(expect.objectContaining({ code: 'channel-closed' }))
  })

  it('fail when bytes cannot be sent there', () => {
    const connection = scene()
    const { channel } = openedChannel(connection)
    channel.send(new Uint8Array(300_000))
    expect(connection.outcomes).toMatchObject([{ code: 'invalid-option' }])
    expect(connection.rtc.link.open).toBe(false)
  })

  it.each([
    ['large messages', 256 * 1024],
    ['tiny ones', 1],
  ])('hold no more than the bound for a process that consumes nothing: %s', async (_what, size) => {
    const connection = scene()
    const { channel, far } = openedChannel(connection)
    channel.message$.subscribe({ error: () => undefined })
    connection.deafen()
    const message = new Uint8Array(size)
    const most = Math.floor(maxUnconsumedBytes / costOf(message))
    for (let sent = 0; sent < most; sent++) far.send(message)
    await turn()
    expect(connection.rtc.link.open).toBe(true)
    far.send(message)
    await turn()
    expect(connection.rtc.link.open).toBe(false)
    const reported = (type: RtcReport['type']): number =>
      connection.reports.filter(report => report.type === type).length
    expect([reported('message'), reported('error')]).toEqual([most, 1])
  })

  it('go on for as long as what comes is consumed', async () => {
    const connection = scene()
    const { channel, far } = openedChannel(connection)
    let got = 0
    channel.message$.subscribe(({ length }) => (got += length))
    const message = new Uint8Array(256 * 1024)
    while (got < 3 * maxUnconsumedBytes) {
      far.send(message)
      await turn()
    }
    expect(connection.rtc.link.open).toBe(true)
  })
})
