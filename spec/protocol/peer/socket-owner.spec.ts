import { describe, expect, it } from '@jest/globals'
import { maySpend, socketOwner } from '../../../src/protocol/peer/socket-owner.js'

const heading =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     '
/** As Linux writes it, with fields as wide as it makes them. */
const row = (ends: string, state: string, uid: number, inode: number): string =>
  `   1: ${ends} ${state} 00000000:00000000 00:00000000 00000000 ${String(uid).padStart(5)}        0 ${inode} 1 00000000778a4a64 100 0 0 10 0`
const table = (...rows: readonly string[]): string => `${[heading, ...rows].join('\n')}\n`

const client = { address: '127.0.0.1', port: 0xc350 }
const proxy = { address: '127.0.0.1', port: 0xa410 }

describe('socketOwner', () => {
  it('is the user of the row with both ends in this order', () => {
    const text = table(
      row('0100007F:A410 00000000:0000', '0A', 1000, 11),
      row('0100007F:A410 0100007F:C350', '01', 1000, 12),
      row('0100007F:C350 0100007F:A410', '01', 1001, 13),
      row('0100007F:C351 0100007F:A410', '01', 1002, 14),
    )
    expect(socketOwner(text, client, proxy, true)).toEqual({ type: 'user', uid: 1001 })
    expect(socketOwner(text, proxy, client, true)).toEqual({ type: 'user', uid: 1000 })
    expect(socketOwner(text, proxy, { address: '0.0.0.0', port: 0 }, true)).toEqual({ type: 'user', uid: 1000 })
  })

  it('knows large user numbers, and root', () => {
    const of = (uid: number) =>
      socketOwner(table(row('0100007F:C350 0100007F:A410', '01', uid, 13)), client, proxy, true)
    expect(of(0)).toEqual({ type: 'user', uid: 0 })
    expect(of(4_294_967_294)).toEqual({ type: 'user', uid: 4_294_967_294 })
  })

  it.each(['127.0.0.1', '::ffff:127.0.0.1'])('finds the IPv6 socket of %s', address => {
    const ends = '0000000000000000FFFF00000100007F:C350 0000000000000000FFFF00000100007F:A410'
    const found = socketOwner(table(row(ends, '01', 1001, 13)), { ...client, address }, proxy, true)
    expect(found).toEqual({ type: 'user', uid: 1001 })
  })

  it('reads the byte order of other machines', () => {
    const text = table(row('7F000001:C350 7F000001:A410', '01', 1001, 13))
    expect(socketOwner(text, client, proxy, false)).toEqual({ type: 'user', uid: 1001 })
    const mapped = table(
      row('00000000000000000000FFFF7F000001:C350 00000000000000000000FFFF7F000001:A410', '01', 1001, 13),
    )
    expect(socketOwner(mapped, client, proxy, false)).toEqual({ type: 'user', uid: 1001 })
    expect(socketOwner(text, client, proxy, true)).toBeUndefined()
  })

  it.each(['05', '06'])('is nobody once no program holds the socket (state %s), though the row says user 0', state => {
    expect(socketOwner(table(row('0100007F:C350 0100007F:A410', state, 0, 0)), client, proxy, true)).toEqual({
      type: 'gone',
    })
  })

  it.each(['', heading, 'no table at all', ' 0100007F:C350 0100007F:A410'])('is not in %j', text => {
    expect(socketOwner(text, client, proxy, true)).toBeUndefined()
  })

  it('is nobody where the row is cut short', () => {
    expect(socketOwner(' 0100007F:C350 0100007F:A410 01', client, proxy, true)).toEqual({ type: 'gone' })
  })
})

describe('maySpend', () => {
  it.each([
    [1000, 1000, true],
    [0, 1000, true],
    [1001, 1000, false],
    [1001, 0, false],
    [0, 0, true],
  ])('user %d of a peer that runs as %d: %s', (uid, own, may) => {
    expect(maySpend(uid, own)).toBe(may)
  })
})
