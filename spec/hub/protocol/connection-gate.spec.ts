import { describe, expect, it } from '@jest/globals'
import { isLoopback } from '../../../src/hub/protocol/address-buckets.js'
import { ConnectionGate } from '../../../src/hub/protocol/connection-gate.js'

const bounds = (sockets: number, handshakes: number) => ({
  sockets,
  handshakes: { burst: handshakes, perSecond: handshakes / 60 },
})

describe('ConnectionGate', () => {
  it('bounds what is open by address, and lets in again when something was closed', () => {
    const gate = new ConnectionGate({ others: bounds(2, 100), loopback: bounds(3, 100) }, address => address)
    const leave = ['192.0.2.1', '192.0.2.1', '192.0.2.2'].map(address => gate.enter(address))
    expect([gate.refusal('192.0.2.1', 0), gate.refusal('192.0.2.2', 0), gate.size]).toEqual(['sockets', undefined, 3])
    leave[0]!()
    expect([gate.refusal('192.0.2.1', 0), gate.size]).toEqual([undefined, 2])
    leave[1]!()
    leave[2]!()
    expect(gate.size).toBe(0)
  })

  it('bounds how often one connects', () => {
    const gate = new ConnectionGate({ others: bounds(9, 2), loopback: bounds(9, 4) }, address => address)
    const refusals = (address: string, nowMs: number) => [1, 2, 3].map(() => gate.refusal(address, nowMs))
    expect(refusals('192.0.2.1', 0)).toEqual([undefined, undefined, 'handshakes'])
    expect(refusals('192.0.2.1', 30_000)).toEqual([undefined, 'handshakes', 'handshakes'])
    expect(refusals('127.0.0.1', 0)).toEqual([undefined, undefined, undefined])
  })

  it('counts what belongs together together', () => {
    const gate = new ConnectionGate({ others: bounds(1, 9), loopback: bounds(1, 9) }, address => address.slice(0, 4))
    gate.enter('2001::1')
    expect([gate.refusal('2001::2', 0), gate.refusal('2002::2', 0)]).toEqual(['sockets', undefined])
  })

  it.each([
    ['127.0.0.1', true],
    ['127.8.9.10', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['192.0.2.1', false],
    ['::2', false],
    ['127.evil.example', false],
    ['', false],
  ])('%s is the machine itself: %s', (address, local) => {
    expect(isLoopback(address)).toBe(local)
  })
})
