/** What one connection can make a hub hold, and how many sockets it can have. */
import { afterEach, describe, expect, it, jest } from '@jest/globals'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import type { Hub } from '../../src/hub/app.js'
import { virtualTime } from '../streams/support/virtual-time.js'
import { openPolling, openWebSocket } from './raw-client.js'
import { answer, type Challenge, register, signIn, startHub } from './support.js'

/** A signal that is none. */
const signalPacket = '42["signal",{}]'

/** What is underneath a client's WebSocket. */
interface RawWebSocket {
  readonly _socket: Socket
}

const metrics = async (hub: Hub): Promise<string> => (await fetch(`${hub.url}/metrics`)).text()

async function untilMetrics(hub: Hub, line: string): Promise<void> {
  while (!(await metrics(hub)).includes(line)) await new Promise(resolve => setImmediate(resolve))
}

/** Writes until the hub ends the connection. Rejects when it never does. */
async function floods(write: () => Promise<number>): Promise<void> {
  for (let count = 0; count < 100; count += 1) if ((await write()) !== 200) return
  throw new Error('it was never cut off')
}

describe('who does not read', () => {
  it('is cut off without having signed in, whatever it is answered', async () => {
    const hub = await startHub()
    const { write } = await openPolling(hub)
    // Each is refused with a packet: there is no such namespace.
    await floods(() => write(...Array<string>(500).fill('40/x,')))
    await untilMetrics(hub, 'lighthouse_hub_sockets 0')
    expect(await write('2')).toBe(400)
  })

  it('is cut off when acknowledgements wait, those of a limit included', async () => {
    const hub = await startHub()
    const alice = await register(hub, 'alice')
    const { read, write } = await openPolling(hub)
    await write(`40${JSON.stringify({ pub_key: alice.pubKey })}`)
    let packets: string[] = []
    while (!packets.some(packet => packet.startsWith('42'))) packets = await read()
    const [, id = '', body = ''] = /^42(\d+)(.*)$/s.exec(packets.find(packet => packet.startsWith('42'))!)!
    const [, challenge] = JSON.parse(body) as [string, Challenge]
    await write(`43${id}${JSON.stringify([answer(alice, challenge)])}`)
    while (!packets.some(packet => packet.includes('authenticated'))) packets = await read()
    let next = 0
    await floods(() => write(...Array.from({ length: 500 }, () => `42${(next += 1)}["signal",{}]`)))
    await untilMetrics(hub, 'lighthouse_hub_signed_in_peers 0')
    expect(await metrics(hub)).toMatch(/lighthouse_hub_limited_total\{limit="signals"\} \d+/)
  })

  it('is answered pings, and is answered them all when it reads', async () => {
    const hub = await startHub()
    const socket = openWebSocket(hub)
    await once(socket, 'open')
    const pongs: string[] = []
    for (const text of ['one', 'two', 'three']) {
      socket.ping(text)
      const [data] = (await once(socket, 'pong')) as [Buffer]
      pongs.push(String(data))
    }
    expect(pongs).toEqual(['one', 'two', 'three'])
  })

  it('is cut off when pongs wait', async () => {
    const hub = await startHub()
    const socket = connect(hub.port, '127.0.0.1').on('error', () => undefined)
    socket.write(
      'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    )
    await untilMetrics(hub, 'lighthouse_hub_sockets 1')
    // Masked pings of 125 bytes. The system's buffers take some megabytes before the first pong waits.
    const ping = Buffer.concat([Buffer.from([0x89, 0xfd, 0, 0, 0, 0]), Buffer.alloc(125)])
    const pings = Buffer.concat(Array<Buffer>(512).fill(ping))
    const flood = (): void => void (socket.writable && socket.write(pings, () => setImmediate(flood)))
    const closed = new Promise(resolve => socket.once('close', resolve))
    flood()
    await closed
    await untilMetrics(hub, 'lighthouse_hub_sockets 0')
    expect(socket.destroyed).toBe(true)
    // Long before it would have to have a socket.
  }, 8_000)
})

describe('a flood of one connection', () => {
  afterEach(() => void jest.restoreAllMocks())

  it('of 35,500 signals gives everybody else a turn between any two of them', async () => {
    let judged = 0
    // Each signal is counted once by the limit.
    const { consume } = RateLimiterMemory.prototype
    jest.spyOn(RateLimiterMemory.prototype, 'consume').mockImplementation(function (this: RateLimiterMemory, ...args) {
      judged += 1
      return consume.apply(this, args)
    })
    const hub = await startHub()
    const [alice, bob] = [await register(hub, 'alice'), await register(hub, 'bob')]
    const [flooding, honest] = [await signIn(hub, alice), await signIn(hub, bob)]
    const { _socket: tcp } = (flooding.socket.io.engine.transport as unknown as { readonly ws: RawWebSocket }).ws
    const total = 35_500
    const before = judged
    // Frames as a client sends them: final, text, masked with zeros.
    const frame = Buffer.concat([
      Buffer.from([0x81, 0x80 + signalPacket.length, 0, 0, 0, 0]),
      Buffer.from(signalPacket),
    ])
    tcp.write(Buffer.concat(Array<Buffer>(total).fill(frame)))
    const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
    const shares: number[] = []
    for (let next = 1_000; next < total; next += 1_000) {
      while (judged - before < next) await turn()
      const start = judged
      await honest.socket.emitWithAck('signal', {})
      shares.push(judged - start)
    }
    // Client and hub share this process: a round trip is a few turns of its event loop.
    expect(Math.max(...shares)).toBeLessThan(100)
  })

  it('of packets in one body of long polling is the end of it', async () => {
    const hub = await startHub()
    const [most, more] = [await openPolling(hub), await openPolling(hub)]
    const packets = (count: number): string[] => Array<string>(count).fill('40/x,')
    expect(await most.write(...packets(512))).toBe(200)
    expect(await most.write('3')).toBe(200)
    await more.write(...packets(513))
    expect(await more.write('3')).toBe(400)
    await untilMetrics(hub, 'lighthouse_hub_sockets 1')
  })
})

describe('one connection', () => {
  it('has one socket: another at once is the end of it', async () => {
    const hub = await startHub()
    const alice = await register(hub, 'alice')
    const { read, write } = await openPolling(hub)
    const packet = `40${JSON.stringify({ pub_key: alice.pubKey })}`
    await write(packet, packet, packet)
    const heard = await read().catch(() => [])
    expect(heard.filter(each => each.startsWith('42')).length).toBeLessThan(2)
    await untilMetrics(hub, 'lighthouse_hub_sockets 0')
    expect(await write(packet)).toBe(400)
  })

  it('ends with its socket, so that it cannot have another', async () => {
    const hub = await startHub()
    const socket = openWebSocket(hub)
    await once(socket, 'open')
    const alice = await register(hub, 'alice')
    socket.send(`40${JSON.stringify({ pub_key: alice.pubKey })}`)
    const heard: string[] = []
    socket.on('message', (data: Buffer) => {
      heard.push(data.toString().slice(0, 2))
      if (heard.at(-1) === '42') socket.send('41')
    })
    await once(socket, 'close')
    expect(heard).toContain('42')
    await untilMetrics(hub, 'lighthouse_hub_sockets 0')
    // Long before its login would have taken too long.
  }, 8_000)
})

describe('who never signs in', () => {
  it('is gone soon after its ten seconds, also when it reads nothing', async () => {
    const time = virtualTime()
    const hub = await startHub({ scheduler: time.scheduler })
    const alice = await register(hub, 'alice')
    const { write } = await openPolling(hub)
    await write(`40${JSON.stringify({ pub_key: alice.pubKey })}`)
    time.advance(10_000)
    await untilMetrics(hub, 'lighthouse_hub_logins_total{outcome="refused"} 1')
    await untilMetrics(hub, 'lighthouse_hub_sockets 0')
    expect(await write('2')).toBe(400)
    // The pings alone would take 20 s.
  }, 8_000)
})

describe('places of one address', () => {
  const request = (path: string): string => `GET /socket.io/?EIO=4&transport=polling${path} HTTP/1.1\r\nhost: x\r\n\r\n`

  it('are kept from the first look on: requests that come in one packet get no more', async () => {
    const hub = await startHub({ rateLimits: { socketsPerAddress: 2 } })
    const socket = connect(hub.port, '127.0.0.1')
    socket.write(request('').repeat(10))
    await untilMetrics(hub, 'lighthouse_hub_limited_total{limit="sockets"} 8')
    expect(await metrics(hub)).toContain('lighthouse_hub_sockets 2')
    socket.destroy()
  })

  it('are free again when a handshake fails', async () => {
    const hub = await startHub({ rateLimits: { socketsPerAddress: 1 } })
    for (const [query, headers] of [
      // A version that is not spoken, and an upgrade that is none.
      ['EIO=3&transport=polling', {}],
      ['EIO=4&transport=websocket', { connection: 'upgrade', upgrade: 'websocket' }],
    ] as const) {
      const lines = Object.entries({ host: 'x', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
      const socket = connect(hub.port, '127.0.0.1')
      socket.write(`GET /socket.io/?${query} HTTP/1.1\r\n${lines.join('')}\r\n`)
      await once(socket, 'data')
      socket.destroy()
      await untilMetrics(hub, 'lighthouse_hub_sockets 0')
    }
    const { write } = await openPolling(hub)
    expect(await write('2')).not.toBe(403)
  })
})
