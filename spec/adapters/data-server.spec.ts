import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { firstValueFrom, Subscription } from 'rxjs'
import { folderServer$ } from '../../src/adapters/share/data-server.node.js'
import { ask, exchangeRaw } from '../support/http-client.node.js'
import { hold, type SharedFolder, shareFolder } from '../support/shared-folder.node.js'

let share: SharedFolder

beforeAll(async () => {
  share = await shareFolder(async root => {
    await writeFile(join(root, 'a.txt'), 'hello')
    await writeFile(join(root, 'large.bin'), Buffer.alloc(8_000_000))
  })
})
afterAll(() => share.stop())

const fromPeer = (): undefined => undefined

describe('the life of a data server', () => {
  it('refuses what is no folder, with what to do', async () => {
    const start = (path: string): Promise<unknown> => firstValueFrom(folderServer$({ path, port: 0, fromPeer }))
    await expect(start(join(share.root, 'none'))).rejects.toMatchObject({
      code: 'invalid-share',
      message: expect.stringContaining('does not exist. Create the folder'),
    })
    await expect(start(join(share.root, 'a.txt'))).rejects.toMatchObject({
      code: 'invalid-share',
      message: expect.stringContaining('is not a folder'),
    })
  })

  it('refuses a port that somebody else has', async () => {
    const other = createServer()
    await once(other.listen(0, '127.0.0.1'), 'listening')
    const { port } = other.address() as AddressInfo
    const start = firstValueFrom(folderServer$({ path: share.root, port, fromPeer }))
    await expect(start).rejects.toMatchObject({ code: 'port-in-use', details: { port } })
    other.close()
  })

  it('frees the port when unsubscribed from, and breaks off what is being sent', async () => {
    const subscription = new Subscription()
    const { port } = await hold(folderServer$({ path: share.root, port: 0, fromPeer }), subscription)
    const res = await new Promise<IncomingMessage>(resolve => {
      get({ host: '127.0.0.1', port, path: '/large.bin', agent: false }, resolve)
    })
    const broken = once(res.resume(), 'end').then(
      () => 'ended',
      () => 'broken',
    )
    subscription.unsubscribe()
    await expect(broken).resolves.toBe('broken')
    const again = new Subscription()
    await expect(hold(folderServer$({ path: share.root, port, fromPeer }), again)).resolves.toMatchObject({ port })
    again.unsubscribe()
  })

  it('starts nothing when unsubscribed from at once', async () => {
    const values: unknown[] = []
    folderServer$({ path: share.root, port: 0, fromPeer })
      .subscribe(value => values.push(value))
      .unsubscribe()
    await ask({ port: share.port })
    expect(values).toEqual([])
  })
})

describe('requests', () => {
  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND'])('%s: 405, with what is allowed', async method => {
    const answer = await ask({ port: share.port, path: '/a.txt', method })
    expect(answer.status).toBe(405)
    expect(answer.headers.allow).toBe('GET, HEAD')
  })

  it('says errors to people and to programs, each with a next step', async () => {
    const page = await ask({ port: share.port, path: '/none', headers: { accept: 'text/html,*/*;q=0.8' } })
    expect(page.status).toBe(404)
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(page.text).toContain('Check the spelling')
    const problem = await ask({ port: share.port, path: '/none', headers: { accept: 'application/json' } })
    expect(problem.headers['content-type']).toBe('application/problem+json')
    expect(JSON.parse(problem.text)).toMatchObject({ status: 404, next: expect.stringContaining('Check the spelling') })
    const head = await ask({ port: share.port, path: '/none', method: 'HEAD' })
    expect(head.body).toHaveLength(0)
    expect(Number(head.headers['content-length'])).toBe(
      Buffer.byteLength((await ask({ port: share.port, path: '/none' })).text),
    )
  })

  it.each([
    ['/', 200],
    ['/a.txt', 200],
    ['/none', 404],
    ['/%', 400],
  ])('%s carries the headers that keep other origins out', async (path, status) => {
    const { headers, status: actual } = await ask({ port: share.port, path, headers: { accept: 'text/html' } })
    expect(actual).toBe(status)
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
    })
    expect(headers['content-security-policy']).toContain("default-src 'none'")
    expect(Object.keys(headers).filter(name => name.startsWith('access-control-') || name === 'x-powered-by')).toEqual(
      [],
    )
  })

  it('answers what is not HTTP with 400 and closes', async () => {
    expect(await exchangeRaw(share.port, 'HELLO\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
    expect(await exchangeRaw(share.port, `GET / HTTP/1.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 /,
    )
    await expect(ask({ port: share.port, path: '/a.txt' })).resolves.toMatchObject({ text: 'hello' })
  })

  it('serves others beside many readers that do not read', async () => {
    const idle = await Promise.all(
      Array.from({ length: 60 }, async () => {
        const socket = connect(share.port, '127.0.0.1')
        socket.pause()
        socket.write(`GET /large.bin HTTP/1.1\r\nHost: 127.0.0.1:${share.port}\r\n\r\n`)
        await once(socket, 'ready')
        return socket
      }),
    )
    const whole = await ask({ port: share.port, path: '/large.bin' })
    expect(whole.body).toHaveLength(8_000_000)
    for (const socket of idle) socket.destroy()
  })
})

/** Asks over a connection of its own that counts as a peer's, as `fromPeer` sees it. */
async function askThroughPeer(headers: Record<string, string | readonly string[]>, path = '/a.txt'): Promise<number> {
  const socket = await new Promise<Socket>(resolve => {
    const opened = connect(share.port, '127.0.0.1', () => resolve(opened))
  })
  share.peerPorts.add(socket.localPort!)
  const lines = Object.entries(headers).flatMap(([name, value]) => [value].flat().map(item => `${name}: ${item}\r\n`))
  socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}Connection: close\r\n\r\n`)
  const [first] = (await once(socket, 'data')) as [Buffer]
  share.peerPorts.delete(socket.localPort!)
  socket.destroy()
  return Number(first.toString('latin1').slice(9, 12))
}

describe('who may ask', () => {
  const own = (): string => `127.0.0.1:${share.port}`

  it.each([
    ['our own name', () => ({ Host: own() }), 200],
    ['localhost', () => ({ Host: `localhost:${share.port}` }), 200],
    ['a name that was rebound', () => ({ Host: `evil.example:${share.port}` }), 421],
    ['another port', () => ({ Host: '127.0.0.1:1' }), 421],
    ['no port', () => ({ Host: '127.0.0.1' }), 421],
    ['a peer’s name', () => ({ Host: `bob.localhost:${share.port}` }), 421],
    ['two hosts', () => ({ Host: [own(), 'evil.example'] }), 421],
    ['the same host twice', () => ({ Host: [own(), own()] }), 421],
    ['no host', () => ({}), 421],
    ['a foreign origin', () => ({ Host: own(), Origin: 'https://evil.example' }), 403],
    ['another port’s page', () => ({ Host: own(), 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'cors' }), 403],
    ['a foreign picture', () => ({ Host: own(), 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors' }), 403],
    ['our own page', () => ({ Host: own(), 'Sec-Fetch-Site': 'same-origin', Origin: `http://${own()}` }), 200],
  ] as const)('%s: %#', async (_name, headers, status) => {
    const entries = Object.entries<string | readonly string[]>(headers())
    const lines = entries.flatMap(([name, value]) => [value].flat().map(item => `${name}: ${item}\r\n`))
    const text = await exchangeRaw(share.port, `GET /a.txt HTTP/1.1\r\n${lines.join('')}Connection: close\r\n\r\n`)
    expect(Number(text.slice(9, 12))).toBe(status)
    expect(text.endsWith('hello')).toBe(status === 200)
  })

  it('closes the connection of a request that was for another name', async () => {
    const text = await exchangeRaw(share.port, 'GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n')
    expect(text).toMatch(/^HTTP\/1\.1 421 /)
    expect(text).toMatch(/\r\nConnection: close\r\n/i)
  })

  it('judges a target in absolute form by the host in it', async () => {
    const target = `GET http://evil.example/a.txt HTTP/1.1\r\nHost: ${own()}\r\nConnection: close\r\n\r\n`
    expect(await exchangeRaw(share.port, target)).toMatch(/^HTTP\/1\.1 421 /)
    const same = `GET http://${own()}/a.txt HTTP/1.1\r\nHost: ${own()}\r\nConnection: close\r\n\r\n`
    expect(await exchangeRaw(share.port, same)).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('asks a person whom another page sent here, and leads on to nowhere else', async () => {
    const answer = await ask({
      port: share.port,
      path: '//evil.example/?a=<b>',
      headers: {
        accept: 'text/html',
        'sec-fetch-site': 'cross-site',
        'sec-fetch-mode': 'navigate',
        'sec-fetch-dest': 'document',
      },
    })
    expect(answer.status).toBe(403)
    expect(answer.text).toContain(`href="http://127.0.0.1:${share.port}//evil.example/?a=&lt;b&gt;"`)
  })

  it.each([
    ['the consumer’s own tunnel', { Host: '127.0.0.1:42001' }, 200],
    ['a host of the peer’s own', { Host: 'bob.localhost:42001' }, 200],
    ['a link in the consumer’s dashboard', { Host: '127.0.0.1:42001', 'Sec-Fetch-Site': 'same-site' }, 200],
    ['a name that was rebound', { Host: 'evil.example:42001' }, 421],
    ['two hosts', { Host: ['127.0.0.1:42001', '127.0.0.1:42001'] }, 421],
    ['no host', {}, 421],
    ['a foreign page', { Host: '127.0.0.1:42001', 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'cors' }, 403],
  ] as const)('through a peer, %s: %#', async (_name, headers, status) => {
    expect(await askThroughPeer(headers)).toBe(status)
  })
})
