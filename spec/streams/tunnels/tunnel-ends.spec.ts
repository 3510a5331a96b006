import { describe, expect, it } from '@jest/globals'
import type { Tunnel } from '../../../src/protocol/tunnels/tunnels.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { createTunnelEnds } from '../../../src/streams/tunnels/tunnel-ends.js'

const noCoins = new LighthouseError('no-coins', 'your wallet holds 0.000000 coins')
const closed = new LighthouseError('channel-closed', 'the other side closed the connection')
const silent = new LighthouseError('peer-silent', 'nothing came')
const tunnelTo = (nickname: string): Tunnel => ({ nickname, host: '127.0.0.1', port: 42_001 })
const ended = (tunnel: Tunnel | undefined, reason: LighthouseError, session?: string) =>
  ({ type: 'ended', nickname: 'bob', session, tunnel, reason }) as const

describe('createTunnelEnds', () => {
  it('knows why a tunnel has ended, and nothing of one that has not', () => {
    const ends = createTunnelEnds(() => noCoins)
    const [first, second] = [tunnelTo('bob'), tunnelTo('bob')]
    ends.note({ type: 'attempt', nickname: 'bob' })
    ends.note({ type: 'tunnel', tunnel: first })
    expect(ends.of(first)).toBeUndefined()
    ends.note(ended(first, silent, 'one'))
    ends.note({ type: 'tunnel', tunnel: second })
    expect([ends.of(first), ends.of(second)]).toEqual([silent, undefined])
    ends.note(ended(second, noCoins, 'two'))
    expect([ends.of(first), ends.of(second)]).toEqual([silent, noCoins])
  })

  it('notes nothing of attempts that fail, and of replacements that were not needed', () => {
    const ends = createTunnelEnds(() => undefined)
    const live = tunnelTo('bob')
    ends.note({ type: 'tunnel', tunnel: live })
    ends.note(ended(undefined, new LighthouseError('too-many-connections', 'the one in use answers again'), 'two'))
    ends.note(ended(undefined, new LighthouseError('peer-offline', 'gone')))
    expect(ends.of(live)).toBeUndefined()
    ends.note(ended(live, silent, 'one'))
    ends.note(ended(undefined, new LighthouseError('connect-timeout', 'late')))
    expect(ends.of(live)).toBe(silent)
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
    const tunnel = tunnelTo('bob')
    ends.note(ended(tunnel, closed, 'one'))
    expect(ends.of(tunnel)).toBe(expected)
  })
})
