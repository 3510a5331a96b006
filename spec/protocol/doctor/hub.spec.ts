import { describe, expect, it } from '@jest/globals'
import {
  type HubFound,
  judgeCertificate,
  judgeClock,
  judgeConnection,
  judgeHealth,
  judgeLookUp,
  judgeRegistration,
  judgeSignIn,
} from '../../../src/protocol/doctor/hub.js'

const nowMs = Date.UTC(2026, 0, 1)
const days = (count: number): number => nowMs + count * 86_400_000
const whole: HubFound = {
  origin: 'https://hub.example',
  addresses: ['203.0.113.1'],
  address: '203.0.113.1',
  validToMs: days(60),
  status: 200,
  hubKey: 'a key',
  clockAheadMs: 400,
}
const without = (...members: readonly (keyof HubFound)[]): HubFound => ({
  ...(Object.fromEntries(
    Object.entries(whole).filter(([name]) => !members.includes(name as keyof HubFound)),
  ) as object),
  origin: whole.origin,
  failure: 'it failed',
})

const words = (key: string): string => `<${key}>`

/** All that is said about one request, in order. */
const judged = (found: HubFound, remembered?: string): readonly string[] =>
  [
    judgeLookUp(found),
    judgeConnection(found),
    judgeCertificate(found, nowMs),
    judgeHealth(found, remembered, words),
    judgeClock(found),
  ].map(({ status }) => status)

describe('what is said about the hub', () => {
  it('is all well when everything is', () => {
    expect(judged(whole, 'a key')).toEqual(['ok', 'ok', 'ok', 'ok', 'ok'])
  })

  it.each<[string, HubFound, readonly string[]]>([
    [
      'no address',
      without('addresses', 'address', 'validToMs', 'status', 'hubKey', 'clockAheadMs'),
      ['fail', 'skip', 'skip', 'skip', 'skip'],
    ],
    [
      'no connection',
      without('address', 'validToMs', 'status', 'hubKey', 'clockAheadMs'),
      ['ok', 'fail', 'skip', 'skip', 'skip'],
    ],
    ['no trust', without('validToMs', 'status', 'hubKey', 'clockAheadMs'), ['ok', 'ok', 'fail', 'skip', 'skip']],
    ['no answer', without('status', 'hubKey', 'clockAheadMs'), ['ok', 'ok', 'ok', 'fail', 'skip']],
    ['no hub', { ...without('hubKey'), status: 404 }, ['ok', 'ok', 'ok', 'fail', 'ok']],
    ['a failing hub', { ...whole, status: 503 }, ['ok', 'ok', 'ok', 'fail', 'ok']],
    ['plain HTTP here', { ...without('validToMs'), origin: 'http://127.0.0.1:3000' }, ['ok', 'ok', 'ok', 'ok', 'ok']],
  ])('stops at the first stage that fails: %s', (_name, found, statuses) => {
    expect(judged(found)).toEqual(statuses)
  })

  it('warns of a certificate that ends soon, and of a clock that is off by more than 30 s', () => {
    expect(judgeCertificate({ ...whole, validToMs: days(1) }, nowMs)).toMatchObject({
      status: 'warn',
      detail: expect.stringMatching(/1 more day$/),
    })
    expect(judgeClock({ ...whole, clockAheadMs: 31_000 })).toMatchObject({
      status: 'warn',
      detail: '31 s behind the hub',
    })
    expect(judgeClock({ ...whole, clockAheadMs: -90_000 })).toMatchObject({ detail: '90 s ahead of the hub' })
    expect(judgeClock({ ...whole, clockAheadMs: 29_000 }).status).toBe('ok')
  })

  it('does not go on with a hub whose key has changed', () => {
    expect(judgeHealth(whole, 'another key', words)).toMatchObject({
      status: 'fail',
      code: 'key-changed',
      detail: 'the key of the hub has changed: its fingerprint was <another key>, and is now <a key>',
    })
  })
})

describe('what is said about the account', () => {
  it.each([
    ['own', 'ok', undefined],
    ['another', 'fail', 'not-authenticated'],
    [undefined, 'fail', 'not-authenticated'],
  ])('the nickname leads to %s', (key, status, code) => {
    expect(judgeRegistration('alice', 'own', key, words)).toMatchObject({ status, ...(code !== undefined && { code }) })
  })

  it('a session elsewhere is left alone, and is a failure for a running peer only', () => {
    const stopped = { type: 'stopped', code: 'session-replaced', message: 'x' } as const
    expect(judgeSignIn(stopped, false)).toMatchObject({ status: 'warn', detail: expect.stringMatching(/left alone/) })
    expect(judgeSignIn(stopped, true)).toMatchObject({ status: 'fail', code: 'session-replaced' })
    expect(judgeSignIn({ type: 'authenticated' }, true).status).toBe('ok')
    const waiting = { type: 'waiting', retryInMs: 1, code: 'hub-unreachable', message: 'It is away.' } as const
    expect(judgeSignIn(waiting, false)).toMatchObject({ status: 'fail', code: 'hub-unreachable', detail: 'It is away' })
    expect(judgeSignIn({ type: 'connecting', attempt: 1 }, false).status).toBe('fail')
    expect(judgeSignIn({ ...stopped, code: 'not-authenticated' }, false)).toMatchObject({ code: 'not-authenticated' })
  })
})
