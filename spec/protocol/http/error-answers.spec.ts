import { describe, expect, it } from '@jest/globals'
import { type ErrorCode, errorCodes, LighthouseError } from '../../../src/protocol/errors.js'
import { describeFailure } from '../../../src/protocol/http/error-answers.js'

const expected: Readonly<Record<ErrorCode, number>> = {
  'frame-version': 502,
  'frame-command': 502,
  'frame-size': 502,
  'protocol-violation': 502,
  'peer-silent': 502,
  internal: 500,
  'channel-closed': 502,
  'stream-ids-exhausted': 502,
  'too-many-streams': 503,
  'stream-overrun': 502,
  'stream-reset': 502,
  'connect-timeout': 504,
  'peer-offline': 502,
  'unknown-nickname': 404,
  'malformed-nickname': 400,
  'own-nickname': 409,
  'no-coins': 402,
  'spending-limit': 402,
  unpaid: 502,
  'rate-limited': 503,
  'hub-unreachable': 503,
  'hub-protocol': 503,
  'not-authenticated': 503,
  'session-replaced': 503,
  'registration-refused': 500,
  'bad-signature': 502,
  'key-changed': 502,
  'ledger-broken': 500,
  'malformed-signal': 502,
  'webrtc-failed': 502,
  'peer-refused': 502,
  'too-many-connections': 503,
  'port-in-use': 500,
  'address-unavailable': 500,
  'no-tunnel-port': 503,
  'invalid-option': 500,
  'invalid-metadata': 500,
  'invalid-share': 500,
  'store-failed': 500,
}
const codes = Object.keys(errorCodes) as ErrorCode[]

describe('describeFailure', () => {
  it.each(codes)('%s has a title, the message and a next step, and leaves no place holder', code => {
    const answer = describeFailure(new LighthouseError(code, 'what happened'), 'bob')
    expect(answer).toMatchObject({ code, detail: 'what happened', status: expected[code] })
    expect(answer.title.length).toBeGreaterThan(5)
    expect(answer.next).toMatch(/\.$/)
    expect(answer.title + answer.next).not.toContain('{')
  })

  it('names the peer of the error before the one of the request', () => {
    const error = new LighthouseError('peer-offline', '', { nickname: 'carol' })
    expect(describeFailure(error, 'bob').title).toBe('carol is offline')
    expect(describeFailure(new LighthouseError('peer-offline', ''), 'bob').title).toBe('bob is offline')
  })

  it('says what to do by what is known of the failure, where that is more than its code', () => {
    const error = new LighthouseError('connect-timeout', 'it is blocked', { next: 'Try another network.' })
    expect(describeFailure(error, 'bob').next).toBe('Try another network.')
    expect(describeFailure(new LighthouseError('connect-timeout', '')).next).toContain('lighthouse-peer doctor')
  })

  it('speaks of the peer where nobody is named', () => {
    expect(describeFailure(new LighthouseError('peer-offline', '')).title).toBe('The peer is offline')
    expect(describeFailure(new LighthouseError('webrtc-failed', '')).title).toBe('No connection to the peer')
  })
})
