import { describe, expect, it } from '@jest/globals'
import { hostScope } from '../../../src/protocol/signaling/address-scope.js'

describe('hostScope', () => {
  it.each([
    ['stun.example', 'public'],
    ['stun.example.', 'public'],
    ['STUN.EXAMPLE', 'public'],
    ['xn--mnchen-3ya.example', 'public'],
    ['1.stun.example', 'public'],
    ['localhost', 'loopback'],
    ['a.localhost.', 'loopback'],
    ['nas', 'private'],
    ['nas.local', 'private'],
    ['turn.internal', 'private'],
    ['box.home.arpa', 'private'],
    ['203.0.113.5', 'public'],
    ['[2001:db8::1]', 'public'],
    ['[::1]', 'loopback'],
    ['::ffff:192.168.1.1', 'private'],
    ['100.64.0.1', 'shared'],
  ])('of %s is %s', (host, scope) => {
    expect(hostScope(host)).toBe(scope)
  })

  it.each([
    // What some libraries read as 127.0.0.1.
    ...['2130706433', '127.1', '0177.0.0.1', '0x7f.0.0.1', '0x7f000001', '127.0.0.1.', 'a.1', 'a.0x1'],
    ...[
      '',
      '.',
      'a..b',
      '-a.example',
      'a-.example',
      'a b',
      'a/b',
      'a:1',
      'münchen.example',
      'fe80::1%eth0',
      '[::1',
      'a'.repeat(64),
    ],
  ])('of "%s" is none', host => {
    expect(hostScope(host)).toBeUndefined()
  })
})
