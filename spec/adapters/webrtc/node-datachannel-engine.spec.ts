import { describe, expect, it } from '@jest/globals'
import polyfill from 'node-datachannel/polyfill'
import { concat, filter, firstValueFrom, map, NEVER, type Observable, of, toArray } from 'rxjs'
import type { WebRtcImplementation } from '../../../src/adapters/webrtc/native-connection.js'
import { nodeDatachannelRtc } from '../../../src/adapters/webrtc/node-datachannel-engine.js'
import { rtcSides } from '../../compliance/support/rtc-sides.js'
import type { IceServer, RtcSignal } from '../../../src/ports.js'

interface Native {
  createDataChannel(label: string, init: object): unknown
}

/** The configuration with which the native connection is made. */
function configurationFor(iceServers: readonly IceServer[]): { readonly iceServers: readonly IceServer[] } {
  let given: unknown
  const implementation = {
    RTCPeerConnection: function (configuration: object) {
      given = configuration
      throw new Error('enough')
    },
  } as unknown as WebRtcImplementation
  const { connect$ } = nodeDatachannelRtc(implementation, () => ['192.0.2.1'])
  connect$({ initiator: true, iceServers, remote$: NEVER }).subscribe({ error: () => undefined })
  return given as { readonly iceServers: readonly IceServer[] }
}

describe('node-datachannel', () => {
  it('opens the channel so that both sides start their retransmission timer anew with each acknowledgement', async () => {
    const { RTCPeerConnection, ...others } = polyfill as unknown as WebRtcImplementation
    const made: unknown[] = []
    class Recording extends (RTCPeerConnection as unknown as new (configuration: object) => Native) {
      override createDataChannel(label: string, init: object): unknown {
        made.push([label, init])
        return super.createDataChannel(label, init)
      }
    }
    const { connect$ } = nodeDatachannelRtc({ ...others, RTCPeerConnection: Recording as never }, () => ['192.0.2.1'])
    const offer = firstValueFrom(connect$({ initiator: true, iceServers: [], remote$: NEVER }))
    expect(made).toEqual([['data', expect.objectContaining({ maxRetransmits: 65_535 })]])
    await offer
  })

  it.each([
    ['answers, in one network', '10.1.0.3', 'active'],
    ['offers, behind routers', '10.2.0.3', 'passive'],
  ])('has that side begin the handshake which %s', async (_which, answering, role) => {
    const implementation = polyfill as unknown as WebRtcImplementation
    interface Side {
      readonly address: string
      readonly initiator: boolean
      readonly remote$: Observable<RtcSignal>
    }
    const descriptionOf = ({ address, ...options }: Side) =>
      firstValueFrom(
        nodeDatachannelRtc(implementation, () => [address])
          .connect$({ ...options, iceServers: [] })
          .pipe(
            filter(event => event.type === 'signal'),
            map(({ signal }) => signal),
            filter(signal => signal.type !== 'candidate'),
          ),
      )
    const offer = await descriptionOf({ address: '10.1.0.2', initiator: true, remote$: NEVER })
    const answer = await descriptionOf({ address: answering, initiator: false, remote$: concat(of(offer), NEVER) })
    expect(/^a=setup:(.*)\r?$/m.exec(answer.sdp)?.[1]).toBe(role)
  })

  it('delivers the last message, and the end, of a channel whose connection is reported closed before', async () => {
    const { RTCPeerConnection, ...others } = polyfill as unknown as WebRtcImplementation
    interface Events extends EventTarget {
      readonly iceConnectionState: string
    }
    let closed = false
    const answering: { connection?: EventTarget; channel?: EventTarget } = {}
    class Watched extends (RTCPeerConnection as unknown as new (configuration: object) => Events) {
      constructor(configuration: object) {
        super(configuration)
        this.addEventListener('datachannel', event => {
          answering.connection = this
          answering.channel = (event as unknown as { readonly channel: EventTarget }).channel
        })
      }
      override get iceConnectionState(): string {
        return closed ? 'closed' : super.iceConnectionState
      }
    }
    const [a, b] = rtcSides(nodeDatachannelRtc({ ...others, RTCPeerConnection: Watched as never }, () => []))
    const [, far] = await Promise.all([a.opened, b.opened])
    const lengths = firstValueFrom(far.message$.pipe(toArray()))
    // All of it in one turn of the event loop, as when a busy thread comes back to it.
    closed = true
    answering.connection!.dispatchEvent(new Event('iceconnectionstatechange'))
    answering.channel!.dispatchEvent(new MessageEvent('message', { data: new ArrayBuffer(7) }))
    setImmediate(() => answering.channel!.dispatchEvent(new Event('close')))
    expect((await lengths).map(({ length }) => length)).toEqual([7])
    expect(await b.over).toBe('complete')
    a.subscription.unsubscribe()
  })

  it('connects two peers of a machine that has no address but loopback', async () => {
    const sides = rtcSides(nodeDatachannelRtc(polyfill as unknown as WebRtcImplementation, () => []))
    await Promise.all(sides.map(({ opened }) => opened))
    for (const { events, subscription } of sides) {
      const candidates = events.flatMap(event =>
        event.type === 'signal' && event.signal.type === 'candidate' ? [event.signal.candidate] : [],
      )
      expect(candidates).toEqual([expect.stringMatching(/ 127\.0\.0\.1 \d+ typ host/)])
      subscription.unsubscribe()
    }
  })

  it('is given names and credentials percent-encoded, since they become part of an address', () => {
    const { iceServers } = configurationFor([
      { urls: 'turn:turn.example', username: '1790000000:ab_c-d', credential: 'A+b/c:d@e=' },
    ])
    expect(iceServers).toEqual([
      { urls: 'turn:turn.example', username: '1790000000%3Aab_c-d', credential: 'A%2Bb%2Fc%3Ad%40e%3D' },
    ])
  })

  it('is given no server that it cannot use: neither TCP nor TLS, nor TURN without a credential', () => {
    const { iceServers } = configurationFor([
      { urls: ['stun:stun.example', 'stuns:stun.example'] },
      { urls: 'turn:open.example' },
      {
        urls: ['turn:turn.example?transport=udp', 'turn:turn.example?transport=tcp', 'turns:turn.example'],
        username: 'u',
        credential: 'c',
      },
    ])
    expect(iceServers).toEqual([
      { urls: 'stun:stun.example' },
      { urls: 'turn:turn.example?transport=udp', username: 'u', credential: 'c' },
    ])
  })
})
