import { describe, expect, it } from '@jest/globals'
import { remoteHeaders, requestHeadersToDrop } from '../../src/protocol/remote-headers.js'

describe('requestHeadersToDrop', () => {
  it('names the hop-by-hop headers, the cookies, and what Connection names', () => {
    const dropped = requestHeadersToDrop({ connection: 'Keep-Alive, X-Hop' })
    expect(dropped).toEqual(expect.arrayContaining(['keep-alive', 'te', 'proxy-authorization', 'cookie', 'x-hop']))
  })

  it('leaves what frames the message or asks for an upgrade, whoever names it', () => {
    const dropped = requestHeadersToDrop({ connection: 'upgrade, close, content-length, transfer-encoding, host' })
    for (const name of ['upgrade', 'connection', 'content-length', 'transfer-encoding', 'host']) {
      expect(dropped).not.toContain(name)
    }
  })
})

describe('remoteHeaders', () => {
  it('passes what describes the content', () => {
    const headers = { 'content-type': 'video/mp4', 'content-range': 'bytes 0-1/2', etag: '"a"', vary: 'Accept' }
    expect(remoteHeaders(headers)).toMatchObject(headers)
  })

  it.each([
    'set-cookie',
    'access-control-allow-origin',
    'access-control-allow-credentials',
    'clear-site-data',
    'alt-svc',
  ])('drops %s', name => {
    expect(remoteHeaders({ [name]: 'x' })).not.toHaveProperty([name])
  })

  it.each(['text/html', 'image/svg+xml', 'IMAGE/SVG+XML', 'application/pdf', 'text/xml', undefined])(
    'puts %s in a sandbox',
    type => {
      const headers = remoteHeaders({ 'content-type': type, 'content-security-policy': 'sandbox allow-scripts' })
      expect(headers['content-security-policy']).toBe("sandbox allow-downloads; frame-ancestors 'none'")
    },
  )

  it.each(['video/mp4', 'Audio/flac', 'image/png', 'text/plain; charset=utf-8'])('leaves %s without one', type => {
    expect(remoteHeaders({ 'content-type': type })['content-security-policy']).toBe("frame-ancestors 'none'")
  })
})
