import { describe, expect, it } from '@jest/globals'
import {
  type GuardedRequest,
  isOwnHost,
  judgeRequest,
  judgeTunnelledRequest,
  loopbackHosts,
  type GuardDecision,
} from '../../../src/protocol/http/guard.js'

const hosts = loopbackHosts(42000)

function request(headers: Partial<GuardedRequest> = {}): GuardedRequest {
  return {
    method: 'GET',
    host: ['127.0.0.1:42000'],
    origin: undefined,
    secFetchSite: undefined,
    secFetchMode: undefined,
    secFetchDest: undefined,
    secFetchUser: undefined,
    ...headers,
  }
}

const navigation = { secFetchMode: 'navigate', secFetchDest: 'document' }

describe('loopbackHosts', () => {
  it('names the port always, and leaves it out only where it is the default', () => {
    expect(hosts).toEqual(['127.0.0.1:42000', 'localhost:42000', '[::1]:42000'])
    expect(loopbackHosts(80)).toContain('localhost')
  })
})

describe('the Host rule', () => {
  it.each([
    [['127.0.0.1:42000'], true],
    [['localhost:42000'], true],
    [['LocalHost:42000'], true],
    [['[::1]:42000'], true],
    [[], false],
    [[''], false],
    [['127.0.0.1'], false],
    [['127.0.0.1:42001'], false],
    [['127.0.0.1:42000', '127.0.0.1:42000'], false],
    [['127.0.0.1:42000', 'evil.example'], false],
    [['127.0.0.1:42000, evil.example'], false],
    [['evil.example'], false],
    [['evil.example:42000'], false],
    [['127.0.0.1.evil.example:42000'], false],
    [['evil.example#127.0.0.1:42000'], false],
    [['user@127.0.0.1:42000'], false],
    [['127.0.0.1:42000 '], false],
    [['localhost.:42000'], false],
    [['bob.localhost:42000'], false],
    [['0.0.0.0:42000'], false],
    [['2130706433:42000'], false],
    [['127.1:42000'], false],
    [['[::ffff:127.0.0.1]:42000'], false],
    [['127.0.0.1:042000'], false],
  ])('%j: %s', (host, own) => {
    expect(isOwnHost(host, hosts)).toBe(own)
    expect(judgeRequest(request({ host }), hosts)).toBe(own ? 'allow' : 'misdirected')
  })
})

describe('judgeRequest', () => {
  const cases: readonly [string, Partial<GuardedRequest>, GuardDecision][] = [
    ['a program that sends nothing', {}, 'allow'],
    ['a program that posts', { method: 'POST' }, 'allow'],
    ['the address bar', { ...navigation, secFetchSite: 'none', secFetchUser: '?1' }, 'allow'],
    ['our own page', { secFetchSite: 'same-origin', secFetchMode: 'cors', secFetchDest: 'empty' }, 'allow'],
    ['our own page posts', { method: 'POST', secFetchSite: 'same-origin', origin: 'http://127.0.0.1:42000' }, 'allow'],
    ['our own page by another name', { origin: 'http://LOCALHOST:42000' }, 'allow'],
    ['another port of localhost', { origin: 'http://127.0.0.1:42001' }, 'forbidden'],
    ['our host by https', { origin: 'https://127.0.0.1:42000' }, 'forbidden'],
    ['a foreign page', { origin: 'https://evil.example' }, 'forbidden'],
    ['a sandboxed page', { origin: 'null' }, 'forbidden'],
    ['an empty origin', { origin: '' }, 'forbidden'],
    ['a name that begins like ours', { origin: 'http://127.0.0.1:42000.evil.example' }, 'forbidden'],
    ['fetch from elsewhere', { secFetchSite: 'cross-site', secFetchMode: 'no-cors' }, 'forbidden'],
    ['fetch from another port', { secFetchSite: 'same-site', secFetchMode: 'cors' }, 'forbidden'],
    ['an image from elsewhere', { secFetchSite: 'cross-site', secFetchDest: 'image' }, 'forbidden'],
    ['a site word nobody knows', { secFetchSite: 'elsewhere' }, 'forbidden'],
    ['a frame', { secFetchSite: 'cross-site', secFetchMode: 'navigate', secFetchDest: 'iframe' }, 'forbidden'],
    [
      'a frame after a click',
      { ...navigation, secFetchSite: 'cross-site', secFetchDest: 'iframe', secFetchUser: '?1' },
      'forbidden',
    ],
    ['a link that was clicked', { ...navigation, secFetchSite: 'cross-site', secFetchUser: '?1' }, 'allow'],
    ['a link on another port', { ...navigation, secFetchSite: 'same-site', secFetchUser: '?1' }, 'allow'],
    ['a page that sends the browser here', { ...navigation, secFetchSite: 'cross-site' }, 'confirm'],
    ['another port that does', { ...navigation, secFetchSite: 'same-site' }, 'confirm'],
    ['a HEAD that does', { ...navigation, method: 'HEAD', secFetchSite: 'cross-site' }, 'confirm'],
    [
      'a form from elsewhere',
      { ...navigation, method: 'POST', secFetchSite: 'cross-site', secFetchUser: '?1' },
      'forbidden',
    ],
    [
      'a clicked link with a foreign origin',
      { ...navigation, origin: 'null', secFetchSite: 'cross-site', secFetchUser: '?1' },
      'forbidden',
    ],
  ]
  it.each(cases)('%s: %j is %s', (_name, headers, verdict) => {
    expect(judgeRequest(request(headers), hosts)).toBe(verdict)
  })

  it('checks the host first', () => {
    expect(judgeRequest(request({ host: ['evil.example'], secFetchSite: 'same-origin' }), hosts)).toBe('misdirected')
  })
})

describe('judgeTunnelledRequest', () => {
  it.each([
    [['127.0.0.1:50123'], 'allow'],
    [['127.0.0.1'], 'allow'],
    [['localhost:42001'], 'allow'],
    [['bob.localhost:42001'], 'allow'],
    [['BOB.LOCALHOST:42001'], 'allow'],
    [['[::1]:42003'], 'allow'],
    [[], 'misdirected'],
    [['evil.example:42001'], 'misdirected'],
    [['localhost.evil.example'], 'misdirected'],
    [['evillocalhost'], 'misdirected'],
    [['localhost:42001', 'localhost:42001'], 'misdirected'],
  ])('host %j: %s', (host, verdict) => {
    expect(judgeTunnelledRequest(request({ host }))).toBe(verdict)
  })

  it.each([
    ['same-site', 'no-cors', 'allow'],
    ['same-origin', 'cors', 'allow'],
    ['cross-site', 'navigate', 'allow'],
    ['cross-site', 'no-cors', 'forbidden'],
    ['cross-site', 'cors', 'forbidden'],
    ['cross-site', undefined, 'forbidden'],
  ])('%s, %s: %s', (secFetchSite, secFetchMode, verdict) => {
    expect(judgeTunnelledRequest(request({ secFetchSite, secFetchMode }))).toBe(verdict)
  })
})
