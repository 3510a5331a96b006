import { describe, expect, it } from '@jest/globals'
import { iceOptions, turnAddresses } from '../../src/cli/ice-options.js'
import { parseIceUrl } from '../../src/protocol/signaling/ice-url.js'

describe('a host as the TURN server', () => {
  it.each([
    ['turn.example', 'turn.example'],
    ['203.0.113.7', '203.0.113.7'],
    ['[2001:db8::7]', '2001:db8::7'],
  ])('%s stands for UDP, TCP and TLS at the usual ports', (text, host) => {
    expect(turnAddresses(text).map(parseIceUrl)).toEqual([
      { scheme: 'turn', host, port: 3478, transport: 'udp' },
      { scheme: 'turn', host, port: 3478, transport: 'tcp' },
      { scheme: 'turn', host, port: 5349, transport: 'tls' },
    ])
  })

  it('is STUN, too, unless another is named', () => {
    const turn = turnAddresses('turn.example')
    expect(iceOptions({ turn, turnSecret: 'x' })).toEqual({
      iceServers: [{ urls: 'stun:turn.example:3478' }],
      turn: { urls: turn, secret: 'x' },
    })
    expect(iceOptions({ turn, turnSecret: 'x', stun: ['stun:stun.example'] })).toMatchObject({
      iceServers: [{ urls: 'stun:stun.example' }],
    })
  })
})

describe('an address of a TURN server', () => {
  it.each(['turn:turn.example', 'turns:turn.example:443', 'turn:[2001:db8::7]:3478?transport=tcp'])('%s stays', url => {
    expect(turnAddresses(url)).toEqual([url])
  })

  it('is no STUN server where it is not UDP', () => {
    expect(iceOptions({ turn: ['turns:turn.example:443'], turnSecret: 'x' }).iceServers).toEqual([])
    expect(iceOptions({ turn: ['turn:turn.example'], turnSecret: 'x' }).iceServers).toEqual([
      { urls: 'stun:turn.example' },
    ])
  })
})

it('tells what is missing, of server and secret', () => {
  expect(() => iceOptions({ turn: ['turn:turn.example'] })).toThrow(/LIGHTHOUSE_TURN_SECRET/)
  expect(() => iceOptions({ turnSecret: 'x' })).toThrow(/--turn turn\.example/)
  expect(iceOptions({})).toEqual({ iceServers: [] })
})
