import { describe, expect, it } from '@jest/globals'
import { isLoopback } from '../../../../src/hub/protocol/limits/by-origin.js'
import { ConcurrencyLimiter } from '../../../../src/hub/protocol/limits/concurrency-limiter.js'

describe('ConcurrencyLimiter', () => {
  it('bounds what is open by address, and lets in again when something was closed', () => {
    const limiter = new ConcurrencyLimiter({ others: 2, loopback: 3 }, address => address)
    const leave = ['192.0.2.1', '192.0.2.1', '192.0.2.2', '127.0.0.1', '127.0.0.1'].map(address =>
      limiter.enter(address),
    )
    const full = (...addresses: string[]) => addresses.map(address => limiter.isFull(address))
    expect([full('192.0.2.1', '192.0.2.2', '127.0.0.1'), limiter.size]).toEqual([[true, false, false], 5])
    leave[0]!()
    expect([full('192.0.2.1'), limiter.size]).toEqual([[false], 4])
    for (const each of leave.slice(1)) each()
    expect(limiter.size).toBe(0)
  })

  it('counts what belongs together together', () => {
    const limiter = new ConcurrencyLimiter({ others: 1, loopback: 1 }, address => address.slice(0, 4))
    limiter.enter('2001::1')
    expect([limiter.isFull('2001::2'), limiter.isFull('2002::2')]).toEqual([true, false])
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
