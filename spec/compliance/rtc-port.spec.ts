import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { firstValueFrom, map, Subject, toArray } from 'rxjs'
import { nodeNetwork } from '../../src/adapters/machine/network.node.js'
import type { RtcName } from '../../src/adapters/webrtc/load.node.js'
import type { WebRtcImplementation } from '../../src/adapters/webrtc/native-connection.js'
import { nodeDatachannelRtc } from '../../src/adapters/webrtc/node-datachannel-engine.js'
import { wrtcRtc } from '../../src/adapters/webrtc/wrtc-engine.js'
import type { RtcPort, RtcSignal } from '../../src/ports.js'
import { patternBytes } from '../support/pattern.js'
import { rtcs } from './support/pairs.js'
import { random } from '../support/random.js'
import { type RtcSide, rtcSide, rtcSides } from './support/rtc-sides.js'
import { backTo, resources } from './support/resources.js'

interface Engine {
  readonly module: () => Promise<unknown>
  readonly port: (implementation: WebRtcImplementation) => RtcPort
}

const engines: Readonly<Record<RtcName, Engine>> = {
  wrtc: { module: () => import('wrtc'), port: wrtcRtc },
  'node-datachannel': {
    module: () => import('node-datachannel/polyfill'),
    port: made => nodeDatachannelRtc(made, nodeNetwork.addresses),
  },
}

interface RawChannel {
  readonly readyState: string
  addEventListener(type: 'close', listener: () => void): void
}
interface RawConnection {
  createDataChannel(label: string, options?: object): RawChannel
}

interface Reachable {
  readonly port: RtcPort
  readonly made: RawConnection[]
  /** Every property of a connection that was read. */
  readonly reads: Set<PropertyKey>
}

/** A port whose connections the spec can reach: what a hostile peer would do with its own. */
async function reachable(rtc: RtcPort): Promise<Reachable> {
  const engine = engines[rtc.name as RtcName]
  const module = (await engine.module()) as WebRtcImplementation & { default?: WebRtcImplementation }
  const implementation = module.default ?? module
  const made: RawConnection[] = []
  const reads = new Set<PropertyKey>()
  const Native = implementation.RTCPeerConnection
  function Recording(configuration?: object): object {
    const native = new Native(configuration)
    made.push(native as unknown as RawConnection)
    return new Proxy(native, {
      get(target, key) {
        reads.add(key)
        const value: unknown = Reflect.get(target, key, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
      set: (target, key, value: unknown) => Reflect.set(target, key, value, target),
    })
  }
  const recorded = {
    RTCPeerConnection: Recording as unknown as WebRtcImplementation['RTCPeerConnection'],
    RTCSessionDescription: implementation.RTCSessionDescription,
    RTCIceCandidate: implementation.RTCIceCandidate,
  }
  return { port: engine.port(recorded), made, reads }
}

const closed = (channel: RawChannel): Promise<void> =>
  channel.readyState === 'closed'
    ? Promise.resolve()
    : new Promise(resolve => channel.addEventListener('close', () => resolve()))

for (const rtc of rtcs) {
  describe(`the WebRTC port over ${rtc.name}`, () => {
    let before: Readonly<Record<string, number>>
    const uncaught: unknown[] = []
    const onUncaught = (error: unknown): void => void uncaught.push(error)
    const sides: RtcSide[] = []
    const keep = (...more: readonly RtcSide[]): void => void sides.push(...more)

    beforeEach(() => {
      before = resources()
      uncaught.length = 0
      process.on('uncaughtException', onUncaught).on('unhandledRejection', onUncaught)
    })

    afterEach(async () => {
      for (const { subscription } of sides.splice(0)) subscription.unsubscribe()
      await backTo(before)
      process.off('uncaughtException', onUncaught).off('unhandledRejection', onUncaught)
      expect(uncaught).toEqual([])
    })

    it('says which it is, opens on both sides, with one description each, before any candidate', async () => {
      const [a, b] = rtcSides(rtc)
      keep(a, b)
      await Promise.all([a.opened, b.opened])
      for (const [side, type] of [
        [a, 'offer'],
        [b, 'answer'],
      ] as const) {
        expect(side.events[0]).toEqual({ type: 'engine', name: rtc.name, greets: rtc.name === 'wrtc' })
        const signals = side.events.flatMap(event => (event.type === 'signal' ? [event.signal] : []))
        expect(signals[0]!.type).toBe(type)
        expect(signals.slice(1).every(signal => signal.type === 'candidate')).toBe(true)
        for (const signal of signals) {
          if (signal.type === 'candidate') expect(signal.candidate).toMatch(/^candidate:/)
        }
      }
    })

    it('completes on the other side when one is unsubscribed from', async () => {
      const [a, b] = rtcSides(rtc)
      keep(a, b)
      await Promise.all([a.opened, b.opened])
      a.subscription.unsubscribe()
      expect(await b.over).toBe('complete')
    })

    it('delivers what was sent right before it was unsubscribed from', async () => {
      for (let round = 0; round < 10; round++) {
        const [a, b] = rtcSides(rtc)
        keep(a, b)
        const [near, far] = await Promise.all([a.opened, b.opened])
        const lengths = firstValueFrom(
          far.message$.pipe(
            map(({ length }) => length),
            toArray(),
          ),
        )
        near.send(new Uint8Array(7))
        a.subscription.unsubscribe()
        expect((await lengths).at(-1)).toBe(7)
      }
    })

    it('leaves nothing, whenever it is unsubscribed from', async () => {
      const moments: readonly ((a: RtcSide, b: RtcSide) => unknown)[] = [
        () => undefined,
        () => Promise.resolve(),
        () => new Promise(resolve => setImmediate(resolve)),
        (_a, b) => firstValueFrom(b.remote$),
        a => firstValueFrom(a.remote$),
        a => a.opened,
        (a, b) => Promise.all([a.opened, b.opened]),
      ]
      for (const moment of moments) {
        const [a, b] = rtcSides(rtc)
        keep(a, b)
        await moment(a, b)
        a.subscription.unsubscribe()
        b.subscription.unsubscribe()
        await backTo(before)
        expect([a.remote$.observed, b.remote$.observed]).toEqual([false, false])
      }
    })

    it('costs one connection, and nothing uncaught, when what comes makes no sense', async () => {
      const next = random(11)
      const noise = (length: number): string =>
        String.fromCharCode(...Array.from({ length }, () => Math.floor(next() * 0xff)))
      const sdps = ['', 'v=0', 'v=0\r\nm=audio', noise(300), noise(60_000), 'v=0\r\n'.repeat(5000), '\0'.repeat(100)]
      const hostile: readonly (RtcSignal & { readonly type: 'offer' | 'answer' })[] = [
        ...sdps.flatMap(sdp => [
          { type: 'offer' as const, sdp },
          { type: 'answer' as const, sdp },
        ]),
      ]
      for (const signal of hostile) {
        for (const initiator of [true, false]) {
          const side = rtcSide(rtc, initiator, () => undefined)
          keep(side)
          side.remote$.next(signal)
          if (initiator) await new Promise(resolve => setImmediate(resolve))
          side.remote$.next(signal)
          if (signal.sdp !== '') await Promise.race([side.over, new Promise(resolve => setTimeout(resolve, 50))])
          expect(side.events.some(({ type }) => type === 'open')).toBe(false)
          side.subscription.unsubscribe()
        }
      }
    })

    it('ignores candidates that are useless, prints nothing, and connects all the same', async () => {
      const warn = jest.spyOn(console, 'warn').mockImplementation(() => undefined)
      const useless: readonly RtcSignal[] = [
        { type: 'candidate', candidate: 'candidate:nonsense', sdpMid: '0', sdpMLineIndex: 0 },
        { type: 'candidate', candidate: 'x'.repeat(1000), sdpMid: '0', sdpMLineIndex: 0 },
        {
          type: 'candidate',
          candidate: 'candidate:1 1 udp 1 example.invalid 9 typ host',
          sdpMid: null,
          sdpMLineIndex: null,
        },
        {
          type: 'candidate',
          candidate: 'candidate:1 1 udp 1 127.0.0.1 9 typ host',
          sdpMid: 'no such',
          sdpMLineIndex: 77,
        },
      ]
      const [a, b] = rtcSides(rtc)
      keep(a, b)
      for (const signal of useless) {
        a.remote$.next(signal)
        b.remote$.next(signal)
      }
      await Promise.all([a.opened, b.opened])
      for (const signal of useless) {
        a.remote$.next(signal)
        b.remote$.next(signal)
      }
      await new Promise(resolve => setImmediate(resolve))
      expect([a.outcomes, b.outcomes, warn.mock.calls]).toEqual([[], [], []])
      warn.mockRestore()
    })

    it.each(rtcs.flatMap(({ name }) => [[name, 'offerer'] as const, [name, 'answerer'] as const]))(
      'uses the candidates of %s: only the %s names any',
      async (other, naming) => {
        const named = rtcs.find(({ name }) => name === other)!
        const [offerer, answerer] = naming === 'offerer' ? [named, rtc] : [rtc, named]
        const [a, b] = rtcSides(offerer, answerer, (signal, from) => {
          if (from === naming) return signal
          return signal.type === 'candidate'
            ? undefined
            : { ...signal, sdp: signal.sdp.replace(/^a=candidate:.*\r\n/gm, '') }
        })
        keep(a, b)
        const [near, far] = await Promise.all([a.opened, b.opened])
        const arrived = firstValueFrom(far.message$)
        near.send(Uint8Array.of(1))
        expect([...(await arrived)]).toEqual([1])
      },
    )

    it('opens nothing when the fingerprint in the answer is another one', async () => {
      const swap = (signal: RtcSignal): RtcSignal =>
        signal.type === 'answer'
          ? {
              ...signal,
              sdp: signal.sdp.replace(
                /(a=fingerprint:\S+ )(..)/,
                (_all, head, two) => `${head}${two === '00' ? '01' : '00'}`,
              ),
            }
          : signal
      const [a, b] = rtcSides(rtc, rtc, swap)
      keep(a, b)
      // The side that sees the wrong certificate may fail or stay silent; neither may open.
      await Promise.race([a.opened, b.opened, a.over, b.over, new Promise(resolve => setTimeout(resolve, 2500))])
      expect([...a.events, ...b.events].some(({ type }) => type === 'open')).toBe(false)
    })

    it.each<[string, string, object]>([
      ['a second one', 'data', {}],
      ['one with another label', 'evil', {}],
      ['an unordered one', 'data', { ordered: false }],
      ['one that may lose', 'data', { maxRetransmits: 0 }],
    ])('closes a channel that is not the one: %s, on either side', async (_name, label, options) => {
      const hostile = await reachable(rtc)
      for (const offers of [true, false]) {
        const [a, b] = offers ? rtcSides(hostile.port, rtc) : rtcSides(rtc, hostile.port)
        keep(a, b)
        const [near, far] = await Promise.all([a.opened, b.opened])
        const extra = hostile.made.at(-1)!.createDataChannel(label, options)
        await closed(extra)
        const arrived = firstValueFrom(far.message$)
        near.send(patternBytes(1, 0, 100).slice())
        expect((await arrived).length).toBe(100)
        expect([a.outcomes, b.outcomes]).toEqual([[], []])
      }
    })
  })
}

describe('the WebRTC port over wrtc', () => {
  it('reads no description that the implementation may be adding candidates to', async () => {
    const { port, reads } = await reachable(rtcs.find(({ name }) => name === 'wrtc')!)
    const [a, b] = rtcSides(port)
    await Promise.all([a.opened, b.opened])
    for (const { subscription } of [a, b]) subscription.unsubscribe()
    expect(reads).toContain('setLocalDescription')
    expect([...reads].filter(key => String(key).endsWith('Description') && !String(key).startsWith('set'))).toEqual([])
  })
})

describe('the WebRTC port', () => {
  it('passes on what is wrong with the remote signals', async () => {
    const remote$ = new Subject<RtcSignal>()
    const failure = new Error('bad signature')
    const errors: unknown[] = []
    rtcs[0]!.connect$({ initiator: false, iceServers: [], remote$ }).subscribe({ error: error => errors.push(error) })
    remote$.error(failure)
    expect(errors).toEqual([failure])
  })
})
