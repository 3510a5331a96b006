import { describe, expect, it } from '@jest/globals'
import { inlineHeaders, requestHeaders, upgradeHeaders } from '../../../src/protocol/http/remote-headers.js'

const place = { nickname: 'bob', origin: 'http://127.0.0.1:42001', path: '/' }
const answer = (headers: Parameters<typeof inlineHeaders>[1]) => inlineHeaders(200, headers, place)

const ofTheConnection = {
  connection: 'Keep-Alive, X-Hop,x-other , ,Content-Length, Host',
  'keep-alive': 'timeout=5',
  te: 'trailers',
  trailer: 'X-Sum',
  'transfer-encoding': 'chunked',
  upgrade: 'h2c',
  'proxy-connection': 'keep-alive',
  'proxy-authenticate': 'Basic',
  'proxy-authorization': 'Basic eDp5',
  'proxy-authentication-info': 'x',
  'x-hop': '1',
  'x-other': '2',
}
const endToEnd = { 'content-length': '5', host: '127.0.0.1:42001', 'x-mine': '1', accept: '*/*' }

describe('requestHeaders', () => {
  it('are those that concern more than the connection', () => {
    expect(requestHeaders({ ...ofTheConnection, ...endToEnd }, false)).toEqual(endToEnd)
  })

  it.each(['cookie', 'expect', 'http2-settings'])('lack %s', name => {
    expect(requestHeaders({ [name]: 'x' }, false)).toEqual({})
  })

  it('ask for WebSocket and nothing else', () => {
    const asked = { ...ofTheConnection, connection: 'Upgrade, X-Hop, x-other', upgrade: 'WebSocket' }
    expect(requestHeaders({ ...asked, 'sec-websocket-key': 'a' }, true)).toEqual({
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': 'a',
    })
  })
})

describe('inlineHeaders', () => {
  it('passes what describes the content', () => {
    const headers = { 'content-type': 'video/mp4', 'content-range': 'bytes 0-1/2', etag: '"a"', vary: 'Accept' }
    expect(answer(headers)).toMatchObject(headers)
  })

  it('drops what concerns the connection', () => {
    const passed = answer({ ...ofTheConnection, ...endToEnd })
    expect(passed).toMatchObject(endToEnd)
    for (const name of Object.keys(ofTheConnection)) expect(passed).not.toHaveProperty([name])
  })

  it.each([
    'set-cookie',
    'access-control-allow-origin',
    'access-control-allow-credentials',
    'clear-site-data',
    'alt-svc',
    'speculation-rules',
    'origin-trial',
    'content-location',
    'link',
    'refresh',
  ])('drops %s', name => {
    expect(answer({ [name]: 'x' })).not.toHaveProperty([name])
  })

  it('puts a Location under the mount, or drops it', () => {
    expect(answer({ location: '/x' }).location).toBe('/inline/bob/x')
    expect(answer({ location: 'http://other.example/x' })).not.toHaveProperty('location')
  })

  it('passes odd names on', () => {
    expect(answer({ constructor: 'x', 'to-string': 'y' })).toMatchObject({ constructor: 'x', 'to-string': 'y' })
  })

  it.each([
    'text/html',
    'image/svg+xml',
    'IMAGE/SVG+XML',
    'image/x+xml',
    'video/x+xml',
    'text/xml',
    'text/plain, text/html',
    'video/mp4; a, text/html',
    'application/pdf, text/html',
    'application/pdf+xml',
    'text/plainer',
    'constructor',
    '',
    undefined,
  ])('puts %j in a sandbox', type => {
    const headers = answer({ 'content-type': type, 'content-security-policy': 'sandbox allow-scripts' })
    expect(headers['content-security-policy']).toBe("sandbox allow-downloads; frame-ancestors 'none'")
  })

  it('puts a type in a sandbox that Connection takes away', () => {
    const headers = answer({ 'content-type': 'text/plain', connection: 'content-type' })
    expect(headers['content-security-policy']).toMatch(/^sandbox/)
  })

  it.each(['video/mp4', 'Audio/flac', 'image/png', 'image/vnd.microsoft.icon', 'text/plain; charset=utf-8'])(
    'leaves %s without one',
    type => {
      expect(answer({ 'content-type': type })['content-security-policy']).toBe("frame-ancestors 'none'")
    },
  )

  it.each(['application/pdf', 'Application/PDF; version=1.7'])('keeps scripts from %s, and lets it be viewed', type => {
    expect(answer({ 'content-type': type })['content-security-policy']).toBe(
      "script-src 'none'; frame-ancestors 'none'",
    )
  })
})

describe('upgradeHeaders', () => {
  it('agree to WebSocket, and to nothing else', () => {
    const headers = { connection: 'X-Hop, upgrade', upgrade: 'websocket', 'x-hop': '1', 'sec-websocket-accept': 'a' }
    const passed = upgradeHeaders(inlineHeaders(101, headers, place))
    expect(passed).toMatchObject({ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-accept': 'a' })
    expect(passed).not.toHaveProperty(['x-hop'])
  })
})
