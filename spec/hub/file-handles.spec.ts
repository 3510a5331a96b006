/** A hub with few file handles, as a process with a limit of its own, and somebody who wants all of them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { describeIf } from '../support/requires.js'
import { openWebSocket } from './raw-client.js'
import { cleanup, type HubAt, newAccount, register, registration, send, signIn, temporaryFolder } from './support.js'

async function hubWith(files: number): Promise<HubAt> {
  const path = fileURLToPath(new URL('./hub.process.js', import.meta.url))
  const database = `sqlite:${join(temporaryFolder(), 'hub.db')}`
  const argv = ['-c', `ulimit -n ${files}; exec "$@"`, 'sh', process.execPath, path, database]
  const child = spawn('sh', argv, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  cleanup(() => child.kill('SIGKILL'))
  const [url] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string]
  const { hub_key: hubKey } = (await (await fetch(`${url}/v1/health`)).json()) as { hub_key: string }
  return { url, port: Number(new URL(url).port), hubKey }
}

/** A connection that begins a request and does not go on. */
async function slow(hub: HubAt): Promise<Socket> {
  const socket = connect(hub.port, '127.0.0.1')
  cleanup(() => socket.destroy())
  socket.on('error', () => undefined)
  socket.resume()
  await once(socket, 'connect')
  socket.write('GET /v1/health HTTP/1.1\r\nhost: x\r\n')
  return socket
}

/** Asks by a connection of its own, since one that rests is among the first to go. Resolves with the status. */
async function ask(hub: HubAt, path: string, body?: object): Promise<number> {
  const headers = { 'content-type': 'application/json' }
  const asked = request(new URL(path, hub.url), { agent: false, method: body === undefined ? 'GET' : 'POST', headers })
  asked.end(body === undefined ? undefined : JSON.stringify(body))
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  response.resume()
  return response.statusCode!
}

describeIf(process.platform === 'linux', 'needs Linux, which says how many handles a process has')(
  'a hub with few file handles',
  () => {
    it('gives up connections that have not signed in for new ones, and those that have for nobody', async () => {
      const hub = await hubWith(256)
      const { socket } = await signIn(hub, await register(hub, 'alice'))
      let cutOff = 0
      while (cutOff < 10) {
        const stranger = openWebSocket(hub)
        stranger.once('close', () => (cutOff += 1))
        await once(stranger, 'open')
      }
      await signIn(hub, await register(hub, 'bob'))
      expect(await send(socket, {})).toMatchObject({ error: { code: 'malformed' } })
    })

    it('serves everybody beside 700 slow connections of one address, loses nobody who has signed in, and gets rid of them', async () => {
      const hub = await hubWith(512)
      const [alice, bob] = [await register(hub, 'alice'), await register(hub, 'bob')]
      const [{ socket: atAlice }, { socket: atBob }] = [await signIn(hub, alice), await signIn(hub, bob)]
      const open = new Set<Socket>()
      const all = Array.from({ length: 700 }, async () => {
        const socket = await slow(hub)
        open.add(socket)
        socket.once('close', () => open.delete(socket))
      })
      await Promise.all(all)
      for (let times = 0; times < 10; times += 1) expect(await ask(hub, '/v1/health')).toBe(200)
      // As far as the hub's places go they are all still there.
      expect(open.size).toBeGreaterThan(300)
      expect(await ask(hub, '/v1/register', registration(newAccount('carol')))).toBe(201)
      expect(await send(atAlice, {})).toMatchObject({ error: { code: 'malformed' } })
      // They say no more, and lose their places by themselves.
      await Promise.all([...open].map(socket => once(socket, 'close')))
      expect([atAlice.connected, atBob.connected]).toEqual([true, true])
      expect(await ask(hub, '/v1/health')).toBe(200)
    })
  },
)
