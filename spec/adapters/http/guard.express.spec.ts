import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import express from 'express'
import { guard, guardUpgrade, securityHeaders } from '../../../src/adapters/http/guard.express.js'
import { sendProblem } from '../../../src/adapters/http/problem.node.js'
import { judgeRequest, loopbackHosts } from '../../../src/protocol/http/guard.js'
import { ask, exchangeRaw } from '../../support/http-client.node.js'

const problem = { status: 502, title: 'A <title>', detail: 'A "detail"', next: 'What & next', code: 'peer-refused' }
let server: Server
let port: number

beforeAll(async () => {
  const app = express()
  app.use(securityHeaders())
  app.use(
    '/asks',
    guard({ hosts: () => loopbackHosts(port), confirm: () => ({ ...problem, status: 403, title: 'confirm' }) }),
  )
  app.use(guard({ hosts: () => loopbackHosts(port) }))
  app.get('/problem', (req, res) => sendProblem(req, res, { ...problem, link: { href: '/?a="b"', text: '<go>' } }))
  app.get('/half', (req, res) => {
    res.setHeader('Content-Length', 100)
    res.write('half of it')
    sendProblem(req, res, problem)
  })
  app.use((_req, res) => res.send('fine'))
  server = createServer({ requireHostHeader: false }, app)
  server.on('upgrade', (req, socket) => {
    guardUpgrade(
      req,
      socket as Socket,
      request => judgeRequest(request, loopbackHosts(port)),
      () => socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n'),
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  port = (server.address() as AddressInfo).port
})
afterAll(() => {
  server.close()
  server.closeAllConnections()
})

describe('sendProblem', () => {
  it('escapes what it says to people', async () => {
    const { status, headers, text } = await ask({ port, path: '/problem', headers: { accept: 'text/html' } })
    expect(status).toBe(502)
    expect(headers).toMatchObject({ 'cache-control': 'no-store', vary: 'Accept' })
    expect(text).toContain('<h1>A &lt;title&gt;</h1>')
    expect(text).toContain('href="/?a=&quot;b&quot;"')
    expect(text).toContain('&lt;go&gt;')
    expect(text).not.toMatch(/<title>A <|<go>/)
  })

  it.each([undefined, '*/*', 'application/json', 'application/problem+json'])('is JSON for Accept %s', async accept => {
    const { headers, text } = await ask({ port, path: '/problem', headers: accept === undefined ? {} : { accept } })
    expect(headers['content-type']).toBe('application/problem+json')
    expect(JSON.parse(text)).toEqual({ type: 'about:blank', ...problem })
  })

  it('breaks off an answer that has begun already', async () => {
    await expect(ask({ port, path: '/half' })).rejects.toMatchObject({ code: 'ECONNRESET' })
  })
})

describe('guard', () => {
  const drive = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }

  it('lets through, refuses, or has a navigation confirmed', async () => {
    expect(await ask({ port })).toMatchObject({ status: 200, text: 'fine' })
    expect(await ask({ port, headers: { origin: 'https://evil.example' } })).toMatchObject({ status: 403 })
    expect(await ask({ port, headers: { host: 'evil.example' } })).toMatchObject({
      status: 421,
      headers: { connection: 'close' },
    })
    expect(await ask({ port, headers: drive })).toMatchObject({ status: 403 })
    expect(await ask({ port, path: '/asks', headers: drive })).toMatchObject({
      status: 403,
      text: expect.stringContaining('confirm'),
    })
    expect(await ask({ port, headers: { ...drive, 'sec-fetch-user': '?1' } })).toMatchObject({ text: 'fine' })
  })
})

describe('upgrades', () => {
  const upgrade = (...lines: readonly string[]): Promise<string> =>
    exchangeRaw(port, ['GET / HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket', ...lines, '', ''].join('\r\n'))

  it.each([
    ['a program', [], '101'],
    ['our own page', ['Sec-Fetch-Site: same-origin'], '101'],
    ['a foreign origin', ['Origin: https://evil.example'], '403'],
    ['another port’s page', ['Sec-Fetch-Site: same-site', 'Sec-Fetch-Mode: websocket'], '403'],
    [
      'what would have to be confirmed',
      ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document'],
      '403',
    ],
  ])('of %s: %j is %s', async (_name, lines, status) => {
    expect((await upgrade(`Host: 127.0.0.1:${port}`, ...lines)).slice(9, 12)).toBe(status)
  })

  it('for another name are refused, and the connection closed', async () => {
    const text = await upgrade('Host: evil.example')
    expect(text).toMatch(/^HTTP\/1\.1 421 Misdirected Request\r\n(?:.*\r\n)*Connection: close\r\n/)
  })
})
