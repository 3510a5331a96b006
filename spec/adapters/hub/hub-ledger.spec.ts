import { afterEach, describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { firstValueFrom, lastValueFrom, ReplaySubject, type Subscription, take, toArray } from 'rxjs'
import { fetchHubClient } from '../../../src/adapters/hub/http-client.js'
import { type HostileHub, hostileHub$ } from '../../support/hostile-hub.node.js'
import { smallLedger } from '../../support/ledger.js'

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  cleanups.push(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`
}

const linesOf = async (url: string, after = 0): Promise<readonly string[]> =>
  (await lastValueFrom(fetchHubClient(url).ledger$(after).pipe(toArray()))).flat()

describe("a hub's ledger over HTTP", () => {
  it('comes line by line from any block on, with the head', async () => {
    const { ledger } = smallLedger()
    const hub$ = new ReplaySubject<HostileHub>(1)
    const running: Subscription = hostileHub$(ledger.hub).subscribe(hub$)
    cleanups.push(() => running.unsubscribe())
    const hub = await firstValueFrom(hub$)
    const client = fetchHubClient(hub.url)
    expect(await firstValueFrom(client.head$())).toEqual({ hubKey: ledger.hub.pubKey, head: undefined })
    hub.ledger = ledger
    expect(await firstValueFrom(client.head$())).toEqual({ hubKey: ledger.hub.pubKey, head: ledger.head() })
    expect(await linesOf(hub.url)).toEqual(ledger.lines())
    expect(await linesOf(hub.url, 5)).toEqual(ledger.lines().slice(5))
    expect(await linesOf(hub.url, 7)).toEqual([])
  })

  it.each<[string, number, (keys: { hub_key: string }) => object, string, RegExp]>([
    [
      'while its database fails',
      503,
      keys => ({ ...keys, head: null, detail: 'The database cannot be read.' }),
      'hub-unreachable',
      /is failing: The database cannot be read/,
    ],
    ['that is not one', 200, keys => ({ ...keys, head: { seq: 1 } }), 'hub-protocol', /a head that is not one/],
  ])('shows no head %s, which is not an empty ledger', async (_what, status, answer, code, message) => {
    const keys = { hub_key: smallLedger().ledger.hub.pubKey }
    const url = await serve((_, response) => void response.writeHead(status).end(JSON.stringify(answer(keys))))
    const client = fetchHubClient(url)
    await expect(firstValueFrom(client.head$())).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    })
    expect(await firstValueFrom(client.health$())).toEqual({ hubKey: keys.hub_key })
  })

  it('puts lines together again however they are cut', async () => {
    const text = 'one\ntwo\n\nfour\n'
    const url = await serve((_request, response) => {
      const write = (at: number): void => {
        if (at === text.length) return void response.end()
        response.write(text[at], () => setImmediate(write, at + 1))
      }
      write(0)
    })
    expect(await linesOf(url)).toEqual(['one', 'two', '', 'four'])
  })

  it.each<[string, RequestListener, string, RegExp]>([
    [
      'a line too long',
      (_, response) => void response.end('x'.repeat(16_385)),
      'hub-protocol',
      /line of more than 16384 bytes/,
    ],
    [
      'half a line at the end',
      (_, response) => void response.end('one\ntw'),
      'hub-protocol',
      /in the middle of a line/,
    ],
    ['something else', (_, response) => void response.writeHead(404).end('{"detail":"no"}'), 'hub-protocol', /no/],
    [
      'too many questions',
      (_, response) => void response.writeHead(429).end('{"detail":"slower"}'),
      'rate-limited',
      /slower/,
    ],
    ['a failure', (_, response) => void response.writeHead(503).end(), 'hub-unreachable', /failing/],
    [
      'an end in between',
      (_, response) => {
        response.writeHead(200, { 'content-length': 100 })
        response.write('one\n', () => response.destroy())
      },
      'hub-unreachable',
      /cannot be reached/,
    ],
  ])('says %s', async (_what, listener, code, message) => {
    const failure = linesOf(await serve(listener))
    await expect(failure).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })

  it('ends the answer when nobody wants more', async () => {
    const gone$ = new ReplaySubject<void>(1)
    const url = await serve((_request, response) => {
      const more = (): void => {
        while (response.write('line\n'.repeat(1_000)));
      }
      response.on('drain', more).on('close', () => gone$.next())
      more()
    })
    const [line] = await firstValueFrom(fetchHubClient(url).ledger$(0).pipe(take(1)))
    expect(line).toBe('line')
    await firstValueFrom(gone$)
  })
})
