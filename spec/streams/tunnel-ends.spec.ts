import { describe, expect, it } from '@jest/globals'
import { LighthouseError } from '../../src/protocol/errors.js'
import { createTunnelEnds } from '../../src/streams/tunnel-ends.js'

const noCoins = new LighthouseError('no-coins', 'your wallet holds 0.000000 coins')
const closed = new LighthouseError('channel-closed', 'the other side closed the connection')
const silent = new LighthouseError('peer-silent', 'nothing came')
const ended = (nickname: string, reason: LighthouseError) =>
  ({ type: 'ended', nickname, session: undefined, reason }) as const
const tunnel = (nickname: string) =>
  ({ type: 'tunnel', tunnel: { nickname, host: '127.0.0.1', port: 42_001 } }) as const

describe('createTunnelEnds', () => {
  it('tells why the last tunnel to somebody is over, until there is another', () => {
    const ends = createTunnelEnds(() => noCoins)
    ends.note({ type: 'attempt', nickname: 'bob' })
    expect(ends.of('bob')).toBeUndefined()
    ends.note(ended('bob', silent))
    expect([ends.of('bob'), ends.of('carol')]).toEqual([silent, undefined])
    ends.note(tunnel('bob'))
    expect(ends.of('bob')).toBeUndefined()
  })

  it.each([
    ['that nothing could be paid for', () => noCoins, noCoins],
    ['the end itself, when it could', () => undefined, closed],
    [
      'the end itself, when nobody knows',
      () => {
        throw new LighthouseError('store-failed', 'the disk is broken')
      },
      closed,
    ],
  ])('tells of a connection that the other side closed %s', (_what, unpayable, expected) => {
    const ends = createTunnelEnds(unpayable)
    ends.note(ended('bob', closed))
    expect(ends.of('bob')).toBe(expected)
  })

  it('forgets the oldest beyond a hundred', () => {
    const ends = createTunnelEnds(() => undefined)
    for (let count = 0; count <= 100; count++) ends.note(ended(`peer${count}`, silent))
    expect([ends.of('peer0'), ends.of('peer1')]).toEqual([undefined, silent])
  })
})
