import { describe, expect, it } from '@jest/globals'
import { type IceUrl, parseIceUrl } from '../../../src/protocol/signaling/ice-url.js'

describe('parseIceUrl', () => {
  it.each<[string, IceUrl]>([
    ['stun:stun.example', { scheme: 'stun', host: 'stun.example', port: 3478, transport: 'udp' }],
    ['stun:192.0.2.1:19302', { scheme: 'stun', host: '192.0.2.1', port: 19302, transport: 'udp' }],
    ['stuns:stun.example', { scheme: 'stun', host: 'stun.example', port: 5349, transport: 'tls' }],
    ['turn:turn.example:80?transport=tcp', { scheme: 'turn', host: 'turn.example', port: 80, transport: 'tcp' }],
    ['turn:turn.example?transport=udp', { scheme: 'turn', host: 'turn.example', port: 3478, transport: 'udp' }],
    ['turns:turn.example:443?transport=tcp', { scheme: 'turn', host: 'turn.example', port: 443, transport: 'tls' }],
    ['TURN:[2001:db8::1]:3478', { scheme: 'turn', host: '2001:db8::1', port: 3478, transport: 'udp' }],
  ])('takes %s apart', (url, parts) => {
    expect(parseIceUrl(url)).toEqual(parts)
  })

  it.each([
    '',
    'http://stun.example',
    'stun:',
    'stun:host:0',
    'stun:host:65536',
    'stun:host:1:2',
    'turn:user@host',
    'turn:host?transport=sctp',
    'turns:host?transport=udp',
    'stun:host/path',
  ])('takes "%s" for none', url => {
    expect(parseIceUrl(url)).toBeUndefined()
  })
})
