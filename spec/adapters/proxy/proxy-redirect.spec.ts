import { connect } from 'node:net'
import { beforeEach, describe, expect, it } from '@jest/globals'
import { EMPTY, Subject, throwError } from 'rxjs'
import type { Tunnel } from '../../../src/protocol/tunnels/tunnels.js'
import { type ErrorCode, errorCodes, LighthouseError } from '../../../src/protocol/errors.js'
import { describeFailure } from '../../../src/protocol/http/error-answers.js'
import { ask, exchange, peer, proxy, proxyForEach, until } from '../../support/proxy-fixture.node.js'

proxyForEach()
beforeEach(() => peer.leadTo(42_001))

const raw = (path: string, lines: readonly string[] = [], method = 'GET', body = ''): Promise<string> => {
  const head = [`${method} ${path} HTTP/1.1`, `Host: 127.0.0.1:${proxy.port}`, 'Connection: close', ...lines]
  return exchange(proxy.port, Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`, 'latin1'))
}
const location = (answer: string): string | undefined => /\r\nLocation: ([^\r]*)\r\n/.exec(answer)?.[1]

describe('/proxy/:nickname/*', () => {
  it.each([
    ['/proxy/bob', '/'],
    ['/proxy/bob/', '/'],
    ['/proxy/bob?q=1', '/?q=1'],
    ['/proxy/bob/films/a%2Fb%20c.mp4?t=1&u=%2f', '/films/a%2Fb%20c.mp4?t=1&u=%2f'],
    ['/proxy/bob/%00%ff%zz', '/%00%ff%zz'],
    ['/proxy/bob/caf%C3%A9%e2%80%8b', '/caf%C3%A9%e2%80%8b'],
    ['/proxy/bob/../../coins', '/../../coins'],
    ['/proxy/bob/%2e%2e/x', '/%2e%2e/x'],
    ['/proxy/bob//evil.example/x', '//evil.example/x'],
    ['/proxy/bob/\\evil.example', '/\\evil.example'],
    ['/proxy/bob/@evil.example', '/@evil.example'],
    ['/proxy/bob/x?', '/x?'],
    ['/proxy/bob/;a=b/x', '/;a=b/x'],
  ])('%j leads to the tunnel with %j', async (path, rest) => {
    const answer = await raw(path)
    expect(answer).toMatch(/^HTTP\/1.1 302/)
    expect(location(answer)).toBe(`http://127.0.0.1:42001${rest}`)
    expect(new URL(location(answer)!).host).toBe('127.0.0.1:42001')
    expect(peer.asked).toEqual(['bob'])
  })

  it('takes the absolute form of its own name, and no other', async () => {
    expect(location(await raw(`http://127.0.0.1:${proxy.port}/proxy/bob/x`))).toBe('http://127.0.0.1:42001/x')
    expect(await raw('http://evil.example/proxy/bob/x')).toMatch(/^HTTP\/1.1 421/)
  })

  it.each([
    '/proxy/',
    '/proxy',
    '/proxy//x',
    '/proxy/Bob/',
    '/proxy/b%6fb/',
    '/proxy/b.b/',
    '/proxy/bob-/',
    '/proxy/bob@evil/',
    `/proxy/${'a'.repeat(64)}/`,
    '/inline/B/',
  ])('%j is a malformed nickname', async path => {
    const answer = await ask(proxy.port, path)
    expect(answer.status).toBe(400)
    expect(JSON.parse(answer.body)).toMatchObject({
      code: 'malformed-nickname',
      detail: expect.stringContaining('letters a to z, digits and hyphens'),
    })
    expect(peer.asked).toEqual([])
  })

  it('refuses what no header may carry', async () => {
    expect(await raw('/proxy/bob/\x7f')).toMatch(/^HTTP\/1.1 400/)
    expect(await raw('/proxy/bob/\x01')).toMatch(/^HTTP\/1.1 400/)
    expect(peer.asked).toEqual([])
  })

  it.each([
    ['GET', 302],
    ['HEAD', 302],
    ['POST', 307],
    ['PUT', 307],
    ['DELETE', 307],
    ['OPTIONS', 307],
    ['PROPFIND', 307],
  ])('%s gets %d', async (method, status) => {
    expect((await ask(proxy.port, '/proxy/bob/x', { method })).status).toBe(status)
  })

  it('answers Expect: 100-continue with the redirect alone, and closes', async () => {
    const answer = await exchange(
      proxy.port,
      `PUT /proxy/bob/x HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1.1 307/)
    expect(answer).not.toContain('100 Continue')
  })

  it('does not wait for a body that it will not read', async () => {
    const answer = await exchange(
      proxy.port,
      `POST /proxy/bob/x HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\nContent-Length: 1000000000\r\n\r\nbegin`,
    )
    expect(answer).toMatch(/^HTTP\/1.1 307/)
    expect(answer).toContain('Connection: close')
  })

  it('keeps the connection after a small body', async () => {
    const request = `POST /proxy/bob/x HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\nContent-Length: 5\r\n\r\nhello`
    const last = `GET /coins HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\nConnection: close\r\n\r\n`
    expect(await exchange(proxy.port, request + last)).toMatch(/307 [^]*HTTP\/1.1 200 [^]*61\.947635/)
  })

  it('answers two requests at once', async () => {
    const tunnels = new Map<string, Subject<Tunnel>>()
    peer.connection$ = nickname => {
      const subject = new Subject<Tunnel>()
      tunnels.set(nickname, subject)
      return subject
    }
    const first = ask(proxy.port, '/proxy/bob/1')
    const second = ask(proxy.port, '/proxy/carol/2')
    await until(() => tunnels.size === 2)
    tunnels.get('carol')!.next({ nickname: 'carol', host: '127.0.0.1', port: 42002 })
    expect((await second).headers.location).toBe('http://127.0.0.1:42002/2')
    tunnels.get('bob')!.next({ nickname: 'bob', host: '127.0.0.1', port: 42001 })
    expect((await first).headers.location).toBe('http://127.0.0.1:42001/1')
    expect(peer.waiting).toBe(0)
  })

  it.each(['/proxy/bob/', '/inline/bob/'])('%s drops the wish of a client that leaves', async path => {
    peer.connection$ = () => new Subject()
    const socket = connect(proxy.port, '127.0.0.1')
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n\r\n`)
    await until(() => peer.waiting === 1)
    socket.destroy()
    await until(() => peer.waiting === 0)
    expect((await ask(proxy.port, '/coins')).status).toBe(200)
  })
})

describe('failures', () => {
  it.each(Object.keys(errorCodes) as ErrorCode[])('%s is reported with its status and a next step', async code => {
    const failure = new LighthouseError(code, 'what happened')
    const { status } = describeFailure(failure)
    peer.connection$ = () => throwError(() => failure)
    const program = await ask(proxy.port, '/proxy/bob/')
    expect(program.status).toBe(status)
    expect(program.headers['content-type']).toBe('application/problem+json')
    expect(JSON.parse(program.body)).toEqual({
      type: 'about:blank',
      title: expect.any(String),
      status,
      detail: 'what happened',
      code,
      next: expect.any(String),
    })
    const person = await ask(proxy.port, '/inline/bob/', { headers: { accept: 'text/html' } })
    expect([person.status, person.headers['content-type']]).toEqual([status, 'text/html; charset=utf-8'])
  })

  it('escapes what others wrote', async () => {
    peer.connection$ = () => throwError(() => new LighthouseError('peer-refused', '<script>alert(1)</script>'))
    const { body } = await ask(proxy.port, '/proxy/bob/', { headers: { accept: 'text/html' } })
    expect(body).toContain('&lt;script&gt;')
    expect(body).not.toContain('<script>alert')
  })

  it.each([
    ['ends without a tunnel', () => EMPTY],
    ['fails with something else', () => throwError(() => new Error('odd'))],
    [
      'throws',
      () => {
        throw new Error('odd')
      },
    ],
  ])('an attempt that %s is 502', async (_what, connection$) => {
    peer.connection$ = connection$
    expect((await ask(proxy.port, '/proxy/bob/')).status).toBe(502)
  })
})
