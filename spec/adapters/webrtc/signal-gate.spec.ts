import { describe, expect, it } from '@jest/globals'
import { signalGate } from '../../../src/adapters/webrtc/signal-gate.js'
import type { RtcSignal } from '../../../src/ports.js'

const candidate = (text: string): RtcSignal => ({
  type: 'candidate',
  candidate: `candidate:${text}`,
  sdpMid: '0',
  sdpMLineIndex: 0,
})
const sdp = 'v=0\r\na=mid:0\r\n'
const offer: RtcSignal = {
  type: 'offer',
  sdp: `${sdp}a=candidate:1 1 UDP 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n`,
}

describe('signalGate', () => {
  it('lets nothing out before the description', () => {
    const out: RtcSignal[] = []
    const gate = signalGate(false, signal => out.push(signal))
    gate.local(candidate('a'))
    expect(out).toEqual([])
    gate.local(offer)
    gate.local(candidate('b'))
    expect(out).toEqual([offer, candidate('a'), candidate('b')])
  })

  it('names no candidate before the answer where that is asked for', () => {
    const out: RtcSignal[] = []
    const gate = signalGate(true, signal => out.push(signal))
    gate.local(candidate('a'))
    gate.local(offer)
    gate.local(candidate('b'))
    expect(out).toEqual([{ type: 'offer', sdp }])
    gate.answered()
    gate.local(candidate('c'))
    expect(out.slice(1)).toEqual([candidate('a'), candidate('b'), candidate('c')])
  })
})
