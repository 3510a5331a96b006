import { describe, expect, it } from '@jest/globals'
import { get } from 'node:http'
import { nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import { headText } from '../../src/protocol/signaling/signed-texts.js'
import { verifyAll } from './store.contract.js'
import { newAccount, postRegistration, register, registration, startHub } from './support.js'

describe('POST /v1/register', () => {
  it('answers 201 and grants 100 coins', async () => {
    const hub = await startHub()
    const alice = newAccount('alice')
    const response = await postRegistration(hub, registration(alice))
    expect(response.status).toBe(201)
    expect(await response.json()).toEqual({ nickname: 'alice', pub_key: alice.pubKey, coins: '100.000000' })
  })

  const good = newAccount('alice')
  const other = newAccount('mallory')
  // The same key spelled with other bits in the part of the last letter that stands for nothing.
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  const respelled = `${good.pubKey.slice(0, 42)}${letters[letters.indexOf(good.pubKey[42]!) + 1]}=`
  // The neutral point, over whose signature nobody decides but R and S.
  const smallOrder = {
    pub_key: Buffer.from([1, ...Array<number>(31).fill(0)]).toString('base64'),
    signature: Buffer.from([1, ...Array<number>(63).fill(0)]).toString('base64'),
  }
  const bodies: [string, unknown][] = [
    ['no JSON', 'hello'],
    ['nothing', ''],
    ['null', 'null'],
    ['a list', []],
    ['a number for a name', { ...registration(good), nickname: 7 }],
    ['an unknown member', { ...registration(good), admin: true }],
    ['no signature', { ...registration(good), signature: undefined }],
    ['a name with a capital', registration({ ...good, nickname: 'Alice' })],
    ['a name that begins with a digit', registration({ ...good, nickname: '1alice' })],
    ['a name that browsers show as another', registration({ ...good, nickname: 'xn--alic-epa' })],
    ['an empty name', registration({ ...good, nickname: '' })],
    ['a name with a line feed', registration({ ...good, nickname: 'alice\n' })],
    ['a name of 64 letters', registration({ ...good, nickname: 'a'.repeat(64) })],
    ['a short key', { ...registration(good), pub_key: 'AAAA' }],
    ['a key for which anybody can sign', { ...registration(good), ...smallOrder }],
    ['a key in another spelling', registration({ ...good, pubKey: respelled })],
    ["another's signature", registration({ ...good, privKey: other.privKey })],
    ['a signature for another name', { ...registration(good), nickname: 'bob' }],
    ['a signature that is none', { ...registration(good), signature: 'A'.repeat(86) + '==' }],
  ]
  it.each(bodies)('answers 400 to %s, in words, and registers nobody', async (_name, body) => {
    const hub = await startHub()
    const response = await postRegistration(hub, body)
    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toContain('application/problem+json')
    expect(await response.json()).toMatchObject({ status: 400, detail: expect.stringMatching(/[a-z]{3,}.*\.$/) })
    expect(await (await fetch(`${hub.url}/v1/ledger`)).text()).toBe('')
  })

  it('answers 413 to a body that is too large', async () => {
    const hub = await startHub()
    const response = await postRegistration(hub, { ...registration(good), more: 'x'.repeat(5_000) })
    expect(response.status).toBe(413)
  })

  it('answers 409 to a taken name and a taken key', async () => {
    const hub = await startHub()
    const alice = await register(hub, 'alice')
    const answers = [newAccount('alice'), { ...alice, nickname: 'bob' }, alice].map(account =>
      postRegistration(hub, registration(account)),
    )
    const problems = await Promise.all((await Promise.all(answers)).map(response => response.json()))
    expect(problems).toMatchObject([
      { status: 409, code: 'nickname-taken' },
      { status: 409, code: 'key-taken' },
      { status: 409, code: 'key-taken' },
    ])
    expect(new Set(problems.map(({ detail }: any) => detail)).size).toBe(3)
  })

  it('lets exactly one of twenty who race for a name have it', async () => {
    const hub = await startHub()
    const accounts = Array.from({ length: 20 }, () => newAccount('alice'))
    const answers = await Promise.all(accounts.map(account => postRegistration(hub, registration(account))))
    const winner = answers.findIndex(({ status }) => status === 201)
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(19).fill(409)])
    expect(await (await fetch(`${hub.url}/v1/resolve/alice`)).text()).toBe(accounts[winner]!.pubKey)
  })

  it('answers 429 to one address, whatever it claims to forward for', async () => {
    const hub = await startHub({ rateLimits: { registrationsPerMinute: 2 } })
    await register(hub, 'alice')
    await register(hub, 'bob')
    const response = await fetch(`${hub.url}/v1/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': '192.0.2.77' },
      body: JSON.stringify(registration(newAccount('carol'))),
    })
    expect(response.status).toBe(429)
    expect(response.headers.get('content-type')).toContain('application/problem+json')
    expect(response.headers.get('retry-after')).toMatch(/^(60|5\d)$/)
    expect(await response.json()).toMatchObject({ code: 'rate-limited', detail: expect.stringContaining('Wait') })
    expect((await fetch(`${hub.url}/v1/resolve/alice`)).status).toBe(200)
  })
})

describe('lookups', () => {
  it('resolve a nickname to its key as text', async () => {
    const hub = await startHub()
    const { pubKey } = await register(hub, 'alice')
    const response = await fetch(`${hub.url}/v1/resolve/alice`)
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/)
    expect(await response.text()).toBe(pubKey)
  })

  it.each([
    ['/v1/resolve/nobody', 404],
    ['/v1/resolve/Alice', 400],
    ['/v1/resolve/%00', 400],
    ['/v1/resolve/%ff', 400],
    ['/v1/resolve/a%2Fb', 400],
    ['/v1/coins', 400],
    ['/v1/coins?pub_key=x', 400],
    ['/v1/coins?pub_key=x&pub_key=y', 400],
    [`/v1/coins?pub_key=${encodeURIComponent(newAccount('nobody').pubKey)}`, 404],
    ['/v1/ledger?after=-1', 400],
    ['/v1/ledger?after=1e3', 400],
    ['/v1/ledger?after[]=1&after=2', 200],
    ['/v1/nothing', 404],
  ])('%s is %i', async (path, status) => {
    const hub = await startHub()
    const response = await fetch(`${hub.url}${path}`)
    expect(response.status).toBe(status)
    if (status !== 200) expect(await response.json()).toMatchObject({ status, detail: expect.stringMatching(/\.$/) })
  })

  it('show coins with six decimals, also when a plus was not escaped', async () => {
    const hub = await startHub({ initialCoins: 61.947_635 })
    let account = await register(hub, 'a')
    for (const name of 'bcdefghijklmnopqrst') if (!account.pubKey.includes('+')) account = await register(hub, name)
    for (const key of [encodeURIComponent(account.pubKey), account.pubKey]) {
      expect(await (await fetch(`${hub.url}/v1/coins?pub_key=${key}`)).text()).toBe('61.947635')
    }
  })

  it('are not kept by caches on the way', async () => {
    const hub = await startHub()
    const paths = ['health', 'coins', 'ledger', 'resolve/nobody']
    const answers = await Promise.all(paths.map(path => fetch(`${hub.url}/v1/${path}`)))
    expect(answers.map(({ headers }) => headers.get('cache-control'))).toEqual(paths.map(() => 'no-store'))
  })

  it('carry the headers of helmet', async () => {
    const hub = await startHub()
    const { headers } = await fetch(`${hub.url}/v1/health`)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('x-powered-by')).toBeNull()
    expect(headers.get('access-control-allow-origin')).toBeNull()
  })
})

describe('GET /v1/ledger', () => {
  it('is a chain that anybody can verify, whole or from a block on', async () => {
    const hub = await startHub({ rateLimits: { registrationsPerMinute: 1_000 } })
    const names = [...'abcdefghijklmnopqr'].flatMap(a => [...'abcdefghijklmnop'].map(b => a + b))
    await Promise.all(names.map(name => register(hub, name)))
    const response = await fetch(`${hub.url}/v1/ledger?after=0`)
    expect(response.headers.get('content-type')).toContain('application/x-ndjson')
    const lines = (await response.text())
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(lines).toHaveLength(288)
    const head = verifyAll(lines)
    expect(Object.keys(lines[0])).toEqual('seq prev_hash time kind from to bytes receipt hash'.split(' '))
    const rest = (await (await fetch(`${hub.url}/v1/ledger?after=286`)).text()).trimEnd().split('\n')
    expect(rest.map(line => JSON.parse(line))).toEqual(lines.slice(286))

    const { head: signed, hub_key: hubKey } = (await (await fetch(`${hub.url}/v1/health`)).json()) as any
    expect(signed).toMatchObject(head)
    expect(nodeCrypto.verify(hubKey, headText(signed.seq, signed.hash), signed.signature)).toBe(true)
  })

  it('survives a reader that leaves', async () => {
    const hub = await startHub()
    for (const name of ['alice', 'bob']) await register(hub, name)
    await new Promise<void>(resolve => {
      const request = get(`${hub.url}/v1/ledger`, response => response.once('data', () => request.destroy())).once(
        'close',
        resolve,
      )
    })
    expect((await fetch(`${hub.url}/v1/health`)).status).toBe(200)
  })
})

describe('GET /v1/health and /metrics', () => {
  it('tell who the hub is', async () => {
    const hub = await startHub()
    expect(await (await fetch(`${hub.url}/v1/health`)).json()).toEqual({
      status: 'ok',
      hub_key: hub.hubKey,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      registration: 'open',
      head: null,
      database: 'ok',
      bus: 'ok',
    })
  })

  it('count outcomes', async () => {
    const hub = await startHub()
    await register(hub, 'alice')
    await postRegistration(hub, 'x')
    const response = await fetch(`${hub.url}/metrics`)
    expect(response.headers.get('content-type')).toContain('text/plain')
    const text = await response.text()
    expect(text).toContain('lighthouse_hub_registrations_total{outcome="registered"} 1')
    expect(text).toContain('lighthouse_hub_registrations_total{outcome="malformed"} 1')
  })
})
