import { describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { firstValueFrom, type Observable } from 'rxjs'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import { fetchHubClient } from '../../../src/adapters/hub/http-client.js'
import { registerText } from '../../../src/protocol/signaling/signed-texts.js'
import { cleanup, newAccount, register, startHub } from '../../hub/support.js'

async function serve(listener: RequestListener): Promise<ReturnType<typeof fetchHubClient>> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  cleanup(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  return fetchHubClient(`http://127.0.0.1:${(server.address() as { port: number }).port}`)
}

describe('fetchHubClient', () => {
  const request = (nickname: string) => {
    const { pubKey, privKey } = newAccount(nickname)
    return { pubKey, nickname, signature: nodeCrypto.sign(privKey, registerText(nickname, pubKey)) }
  }

  it('asks a hub', async () => {
    const hub = await startHub()
    const client = fetchHubClient(hub.url)
    const alice = request('alice')
    expect(await firstValueFrom(client.register$(alice), { defaultValue: undefined })).toBeUndefined()
    expect(await firstValueFrom(client.resolve$('alice'))).toBe(alice.pubKey)
    expect(await firstValueFrom(client.balance$(alice.pubKey))).toBe(100_000_000)
    expect(await firstValueFrom(client.health$())).toEqual({ hubKey: hub.hubKey, registration: 'open' })
    expect(await firstValueFrom(client.resolve$('nobody'))).toBeUndefined()
    expect(await firstValueFrom(client.balance$(newAccount('x').pubKey))).toBeUndefined()
  })

  it('wants no answer out of a cache', async () => {
    let asked: unknown
    const client = await serve((request, response) => {
      asked = request.headers['cache-control']
      response.end('{}')
    })
    await expect(firstValueFrom(client.head$())).rejects.toMatchObject({ code: 'hub-protocol' })
    expect(asked).toBe('no-cache')
  })

  it('asks nothing before it is subscribed to', async () => {
    let asked = 0
    const client = await serve((_request, response) => void ((asked += 1), response.end('x')))
    client.resolve$('alice')
    client.health$()
    await expect(firstValueFrom(client.resolve$('alice'))).rejects.toMatchObject({ code: 'hub-protocol' })
    expect(asked).toBe(1)
  })

  it("refuses a taken name with the hub's own sentence", async () => {
    const hub = await startHub()
    await register(hub, 'alice')
    await expect(firstValueFrom(fetchHubClient(hub.url).register$(request('alice')))).rejects.toMatchObject({
      code: 'registration-refused',
      message: expect.stringContaining('Choose another'),
    })
  })

  it('says when it asks too often', async () => {
    const hub = await startHub({ rateLimits: { lookupsPerMinute: 1, registrationsPerMinute: 1 } })
    const client = fetchHubClient(hub.url)
    await firstValueFrom(client.resolve$('alice'))
    await expect(firstValueFrom(client.resolve$('alice'))).rejects.toMatchObject({ code: 'rate-limited' })
    await firstValueFrom(client.register$(request('alice')), { defaultValue: undefined })
    await expect(firstValueFrom(client.register$(request('bob')))).rejects.toMatchObject({ code: 'rate-limited' })
  })

  it('passes on why a registration is malformed', async () => {
    const hub = await startHub()
    const failure = firstValueFrom(fetchHubClient(hub.url).register$({ ...request('alice'), nickname: 'bob' }))
    await expect(failure).rejects.toMatchObject({ code: 'hub-protocol', message: expect.stringContaining('signature') })
  })

  it('says hub-unreachable when nobody listens', async () => {
    const hub = await startHub()
    hub.subscription.unsubscribe()
    await expect(firstValueFrom(fetchHubClient(hub.url).health$())).rejects.toMatchObject({
      code: 'hub-unreachable',
      message: expect.stringContaining('ECONNREFUSED'),
    })
  })

  const answers: [string, string, RequestListener][] = [
    ['hub-protocol', 'text that is no key', (_request, response) => response.end('hello')],
    ['hub-protocol', 'more than 64 KiB', (_request, response) => response.end('A'.repeat(70_000))],
    ['hub-protocol', 'another status', (_request, response) => response.writeHead(204).end()],
    ['hub-unreachable', 'a failure', (_request, response) => response.writeHead(503).end('{}')],
    [
      'hub-unreachable',
      'a redirect',
      (_request, response) => response.writeHead(302, { location: '/elsewhere' }).end(),
    ],
    [
      'hub-unreachable',
      'half of it',
      (_request, response) =>
        void response.writeHead(200, { 'content-length': '44' }).write('AA', () => response.destroy()),
    ],
  ]
  it.each(answers)('says %s to %s', async (code, _name, listener) => {
    const client = await serve(listener)
    for (const asked$ of [
      client.resolve$('alice'),
      client.balance$(newAccount('a').pubKey),
      client.health$(),
    ] as Observable<unknown>[]) {
      await expect(firstValueFrom(asked$)).rejects.toMatchObject({ code })
    }
  })

  it('stops reading an answer without end', async () => {
    let written = 0
    const client = await serve((_request, response) => {
      const more = (): void => {
        if (response.destroyed) return
        written += 16_384
        response.write('A'.repeat(16_384), more)
      }
      more()
    })
    await expect(firstValueFrom(client.health$())).rejects.toMatchObject({ code: 'hub-protocol' })
    expect(written).toBeGreaterThan(65_536)
  })

  it('aborts the request when unsubscribed', async () => {
    let arrived: (() => void) | undefined
    const asked = new Promise<void>(resolve => (arrived = resolve))
    let gone: (() => void) | undefined
    const left = new Promise<void>(resolve => (gone = resolve))
    let finished: boolean | undefined
    const client = await serve((_request, response) => {
      response.once('close', () => {
        finished = response.writableFinished
        gone?.()
      })
      arrived?.()
    })
    const subscription = client.health$().subscribe()
    await asked
    subscription.unsubscribe()
    await left
    expect(finished).toBe(false)
  })

  it("makes the hub's words fit for a terminal", async () => {
    const client = await serve((_request, response) => {
      response.writeHead(409).end(JSON.stringify({ detail: `\u001b]0;x\u0007${'!'.repeat(5_000)}` }))
    })
    const failure = await firstValueFrom(client.register$(request('alice'))).catch((error: Error) => error)
    expect((failure as unknown as Error).message).toMatch(/^[^\p{Cc}]{1,300}$/u)
  })
})
