import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { platform } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from '@jest/globals'
import { filter, firstValueFrom, ReplaySubject, Subscription } from 'rxjs'
import {
  hasLeft$,
  localUser$,
  lookUp,
  markOwn,
  type SocketTables,
  together,
} from '../../../src/adapters/tcp/local-user.node.js'
import { nodeTcp } from '../../../src/adapters/tcp/tcp.node.js'
import type { TcpListenEvent } from '../../../src/ports.js'
import { cleanUp, FakeBackend, onCleanUp, startProxy } from '../../support/proxy-fixture.node.js'
import { describeIf } from '../../support/requires.js'
import { shareFolder } from '../../support/shared-folder.node.js'

afterEach(cleanUp)

const onLinux = describeIf(platform() === 'linux', 'needs /proc/net/tcp')
const asRoot = describeIf(platform() === 'linux' && process.geteuid!() === 0, 'needs root, to be a second user')

/** A user that is neither root nor this process; nothing has to exist for a number. */
const stranger = 54_321

/** Sends the text from a process of that user and gives what came back: text, then how it ended. */
async function sendAs(uid: number, port: number, text: string, leave = false): Promise<string> {
  const program = `
    const socket = require('node:net').connect(${port}, '127.0.0.1', () => {
      socket.write(${JSON.stringify(text)}, () => ${leave} && process.exit())
    })
    let end = 'end'
    socket.on('data', data => process.stdout.write(data))
    socket.on('error', error => { end = error.code })
    socket.on('close', () => process.stdout.write(end))`
  const child = spawn(process.execPath, ['-e', program], { uid, gid: uid, cwd: '/', env: {}, stdio: 'pipe' })
  const said = Promise.all([child.stdout.toArray(), child.stderr.toArray(), once(child, 'close')])
  const [out, err] = await said
  expect(Buffer.concat(err as Buffer[]).toString()).toBe('')
  return Buffer.concat(out as Buffer[]).toString()
}

const ask = (port: number, path: string, lines: readonly string[] = []): string =>
  [`GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, ...lines, '', ''].join('\r\n')

const closing = ['Connection: close']
const upgrade = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]

/** A listener that hands its sockets over as they come. */
async function listener(): Promise<{ readonly port: number; readonly next: () => Promise<Socket> }> {
  const socket$ = new ReplaySubject<Socket>()
  const server = createServer({ allowHalfOpen: true }, socket => {
    onCleanUp(() => void socket.destroy())
    socket.on('error', () => undefined)
    socket$.next(socket)
  }).listen(0, '127.0.0.1')
  onCleanUp(() => void server.close())
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, next: () => firstValueFrom(socket$) }
}

onLinux('localUser$', () => {
  const accepted = async (host = '127.0.0.1'): Promise<{ readonly client: Socket; readonly socket: Socket }> => {
    const { port, next } = await listener()
    const client = connect(port, host)
    onCleanUp(() => void client.destroy())
    const [socket] = await Promise.all([next(), once(client, 'connect')])
    return { client, socket }
  }

  it.each(['127.0.0.1', '::ffff:127.0.0.1'])('knows a program of this user, connected to %s', async host => {
    const { socket } = await accepted(host)
    expect(await firstValueFrom(localUser$(socket))).toBe('own')
  })

  it('asks once a connection', async () => {
    const { socket } = await accepted()
    expect(localUser$(socket)).toBe(localUser$(socket))
    await firstValueFrom(localUser$(socket))
    let user: string | undefined
    localUser$(socket).subscribe(value => (user = value))
    expect(user).toBe('own')
  })

  it('distinguishes a closed connection from a half-closed one', async () => {
    const { client, socket } = await accepted()
    socket.resume()
    client.end()
    await once(socket, 'end')
    expect(await firstValueFrom(hasLeft$(socket))).toBe(false)
    client.destroy()
    await once(client, 'close')
    expect(await firstValueFrom(hasLeft$(socket))).toBe(true)
    expect(await firstValueFrom(localUser$(socket))).toBe('gone')
  })

  it.each([
    ['cannot be read', () => Promise.reject(new Error('EACCES'))],
    ['has no rows', () => Promise.resolve('')],
  ])('compares nothing where the table %s', async (_how, read) => {
    const { socket } = await accepted()
    expect(await lookUp(socket, { tcp: read, tcp6: read })).toBe('unknown')
  })

  it('reads no table for a connection of this process', async () => {
    const { port, next } = await listener()
    const client = connect(port, '127.0.0.1')
    markOwn(client)
    onCleanUp(() => void client.destroy())
    let reads = 0
    const tables: SocketTables = { tcp: async () => `${reads++}`, tcp6: async () => `${reads++}` }
    expect(await lookUp(await next(), tables)).toBe('own')
    expect(reads).toBe(0)
    client.destroy()
    await once(client, 'close')
    await lookUp(await next(), tables)
    expect(reads).toBeGreaterThan(0)
  })
})

describe('together', () => {
  it('runs once for all who ask within one turn, and again for who asks later', async () => {
    const read = together((questions: readonly number[]) => questions)
    expect(await Promise.all([read(1), read(2)])).toEqual([
      [1, 2],
      [1, 2],
    ])
    expect(await read(3)).toEqual([3])
  })

  it('runs again after a failure', async () => {
    let runs = 0
    const read = together<number, number>(() => {
      runs += 1
      if (runs === 1) throw new Error('once')
      return runs
    })
    await expect(read(1)).rejects.toThrow('once')
    expect(await read(2)).toBe(2)
  })
})

asRoot('another user of this machine', () => {
  it.each([
    ['/', closing],
    ['/coins', closing],
    ['/stats', closing],
    ['/events', closing],
    ['/proxy/bob/film', closing],
    ['/inline/bob/film', closing],
    ['/proxy/bob/socket', upgrade],
  ])('gets 403 for %s of the proxy, and nothing happens', async (path, lines) => {
    const peer = new FakeBackend()
    const { port } = await startProxy(peer)
    const answer = await sendAs(stranger, port, ask(port, path, lines))
    expect(answer).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/)
    expect(answer).toContain('belongs to another user')
    expect(peer.asked).toEqual([])
  })

  it('gets 403 from the data server', async () => {
    const share = await shareFolder(async root => {
      await mkdir(join(root, 'films'))
      await writeFile(join(root, 'film'), 'hello')
    })
    onCleanUp(() => share.stop())
    for (const path of ['/', '/film', '/films/']) {
      const answer = await sendAs(stranger, share.port, ask(share.port, path, closing))
      expect(answer).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/)
      expect(answer).not.toContain('hello')
    }
    expect(await sendAs(0, share.port, ask(share.port, '/film', closing))).toMatch(/^HTTP\/1\.1 200 [^]*hello/)
  })

  it('is reset by a tunnel, which receives nothing of it', async () => {
    const event$ = new ReplaySubject<TcpListenEvent>()
    const subscription = new Subscription()
    subscription.add(nodeTcp.listen$({ port: 0, host: '127.0.0.1' }).subscribe(event$))
    onCleanUp(() => subscription.unsubscribe())
    const { port } = await firstValueFrom(event$.pipe(filter(event => event.type === 'listening')))
    const sockets: TcpListenEvent[] = []
    event$.pipe(filter(event => event.type === 'socket')).subscribe(event => sockets.push(event))
    expect(await sendAs(stranger, port, 'hello')).toBe('ECONNRESET')
    expect(sockets).toEqual([])
    const own = sendAs(0, port, 'hello')
    const { socket } = await firstValueFrom(event$.pipe(filter(event => event.type === 'socket')))
    socket.end()
    socket.event$.subscribe()
    expect(await own).toBe('end')
  })

  it('is known, and nobody once it has left without waiting', async () => {
    const staying = await listener()
    const answer = sendAs(stranger, staying.port, 'hello')
    const socket = await staying.next()
    expect(await firstValueFrom(localUser$(socket))).toBe('other')
    socket.destroy()
    await answer
    const leaving = await listener()
    await sendAs(stranger, leaving.port, 'hello', true)
    expect(await firstValueFrom(localUser$(await leaving.next()))).toBe('gone')
  })
})
