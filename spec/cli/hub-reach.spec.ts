import { describe, expect, it } from '@jest/globals'
import { hubReach, type ReachFacts } from '../../src/cli/hub-reach.js'

const facts: ReachFacts = {
  address: '0.0.0.0',
  port: 3000,
  interfaces: {
    lo: [
      { address: '127.0.0.1', internal: true },
      { address: '::1', internal: true },
    ],
    eth0: [
      { address: '192.168.1.7', internal: false },
      { address: 'fe80::1', internal: false },
      { address: 'fd00::7', internal: false },
    ],
    eth1: [
      { address: '198.51.100.7', internal: false },
      { address: '2001:db8::7', internal: false },
    ],
    gone: undefined,
  },
  isBehindProxy: false,
  hasIceServers: true,
}

describe('hubReach', () => {
  it('names every address of a hub that listens on all of them, by what peers speak to it', () => {
    expect(hubReach(facts)).toEqual({
      addresses: ['http://192.168.1.7:3000'],
      withTls: ['https://198.51.100.7:3000'],
      warnings: [],
    })
    expect(hubReach({ ...facts, address: '::' })).toEqual({
      addresses: ['http://192.168.1.7:3000', 'http://[fd00::7]:3000'],
      withTls: ['https://198.51.100.7:3000', 'https://[2001:db8::7]:3000'],
      warnings: [],
    })
  })

  it('names the one that it listens on', () => {
    expect(hubReach({ ...facts, address: '10.1.2.3' })).toMatchObject({ addresses: ['http://10.1.2.3:3000'] })
    expect(hubReach({ ...facts, address: '2001:db8::7' })).toMatchObject({ withTls: ['https://[2001:db8::7]:3000'] })
  })

  it.each(['127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1'])('warns that nobody else reaches %s', address => {
    const { addresses, withTls, warnings } = hubReach({ ...facts, address })
    expect([addresses, withTls]).toEqual([[], []])
    expect(warnings).toEqual([expect.stringMatching(/^Only this machine .*--host 0\.0\.0\.0/)])
    expect(hubReach({ ...facts, address, isBehindProxy: true }).warnings).toEqual([])
  })

  it('warns on a machine without a network', () => {
    expect(hubReach({ ...facts, interfaces: { lo: facts.interfaces.lo! } }).warnings).toHaveLength(1)
  })

  it('warns when no STUN server is set for the peers', () => {
    expect(hubReach({ ...facts, hasIceServers: false }).warnings).toEqual([expect.stringContaining('--stun')])
  })
})
