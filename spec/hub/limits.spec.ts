import { describe, expect, it } from '@jest/globals'
import { io, type Socket } from 'socket.io-client'
import { nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import { createHub$, type Hub } from '../../src/hub/app.js'
import { firstValueFrom } from 'rxjs'
import {
  answer,
  type Challenge,
  cleanup,
  newAccount,
  next,
  openSocket,
  postRegistration,
  register,
  registration,
  signIn,
  startHub,
} from './support.js'

/** A socket as a client with that address makes it, behind a proxy that says so. */
function from(hub: Hub, address: string, transports = ['websocket']): Socket {
  const socket = io(hub.url, {
    ...{ auth: { pub_key: newAccount('x').pubKey }, forceNew: true, reconnection: false, transports },
    extraHeaders: { 'x-forwarded-for': address },
  })
  cleanup(() => socket.disconnect())
  return socket
}

/** Whether it is let in: it is then told that nobody registered its key. */
async function isAdmitted(socket: Socket): Promise<boolean> {
  return Promise.race([next(socket, 'refused').then(() => true), next(socket, 'connect_error').then(() => false)])
}

describe('connections', () => {
  it('are bounded by address, as the proxy in front tells it', async () => {
    const hub = await startHub({ rateLimits: { handshakesPerMinute: 2 }, trustProxy: 1, clock: { now: () => 0 } })
    for (const transports of [['websocket'], ['polling']]) {
      const [one, other] = transports[0] === 'polling' ? ['192.0.2.1', '192.0.2.2'] : ['198.51.100.1', '198.51.100.2']
      expect(await isAdmitted(from(hub, one, transports))).toBe(true)
      expect(await isAdmitted(from(hub, one, transports))).toBe(true)
      expect(await isAdmitted(from(hub, one, transports))).toBe(false)
      expect(await isAdmitted(from(hub, other, transports))).toBe(true)
      // What a client claims itself is farther away than what the proxy says.
      expect(await isAdmitted(from(hub, `${other}, ${one}`, transports))).toBe(false)
    }
    expect(await (await fetch(`${hub.url}/metrics`)).text()).toContain(
      'lighthouse_hub_limited_total{limit="handshakes"} 4',
    )
  })

  it('of IPv6 are counted by the prefix that one household has', async () => {
    const hub = await startHub({ rateLimits: { handshakesPerMinute: 1 }, trustProxy: 1, clock: { now: () => 0 } })
    expect(await isAdmitted(from(hub, '2001:db8:0:1::1'))).toBe(true)
    expect(await isAdmitted(from(hub, '2001:db8:0:2::2'))).toBe(false)
    expect(await isAdmitted(from(hub, '2001:db8:1::1'))).toBe(true)
  })

  it('that are open are bounded, and a closed one makes room', async () => {
    const hub = await startHub({ rateLimits: { socketsPerAddress: 2 } })
    const [alice, bob, carol] = [await register(hub, 'alice'), await register(hub, 'bob'), await register(hub, 'carol')]
    const { socket } = await signIn(hub, alice)
    await signIn(hub, bob)
    expect(await isAdmitted(from(hub, ''))).toBe(false)
    const text = async () => (await fetch(`${hub.url}/metrics`)).text()
    expect(await text()).toContain('lighthouse_hub_sockets 2')
    expect(await text()).toContain('lighthouse_hub_limited_total{limit="sockets"} 1')
    socket.disconnect()
    while (!(await text()).includes('lighthouse_hub_sockets 1')) await new Promise(resolve => setImmediate(resolve))
    await signIn(hub, carol)
  })

  it('of this machine are not in the way of a demo: ten peers come and go fifteen times', async () => {
    const hub = await startHub({ clock: { now: () => 0 } })
    const accounts = await Promise.all([...'abcdefghij'].map(name => register(hub, name)))
    for (let round = 0; round < 15; round += 1) {
      const sockets = await Promise.all(accounts.map(account => signIn(hub, account)))
      for (const { socket } of sockets) socket.disconnect()
    }
    expect(await (await fetch(`${hub.url}/metrics`)).text()).not.toContain('lighthouse_hub_limited_total{')
  })
})

describe('a key', () => {
  it('signs in so often and no more, and may come back', async () => {
    const hub = await startHub({ rateLimits: { loginsPerMinute: 2 }, clock: { now: () => 0 } })
    const [alice, bob] = [await register(hub, 'alice'), await register(hub, 'bob')]
    for (let count = 0; count < 2; count += 1) (await signIn(hub, alice)).socket.disconnect()
    const socket = openSocket(hub, { pub_key: alice.pubKey })
    socket.once('challenge', (challenge: Challenge, acknowledge: (signature: string) => void) =>
      acknowledge(answer(alice, challenge)),
    )
    expect(await next(socket, 'refused')).toMatchObject([{ code: 'unavailable' }])
    await signIn(hub, bob)
    const text = await (await fetch(`${hub.url}/metrics`)).text()
    expect(text).toContain('lighthouse_hub_limited_total{limit="logins"} 1')
  })

  it('asks to be registered so often and no more', async () => {
    const hub = await startHub({ rateLimits: { registrationsPerMinutePerKey: 2 }, clock: { now: () => 0 } })
    const alice = await register(hub, 'alice')
    // Somebody else in its name takes nothing from it.
    const forged = { ...registration(alice), signature: registration(newAccount('alice')).signature }
    expect((await postRegistration(hub, forged)).status).toBe(400)
    expect((await postRegistration(hub, registration(alice))).status).toBe(409)
    expect((await postRegistration(hub, registration(alice))).status).toBe(429)
    const text = await (await fetch(`${hub.url}/metrics`)).text()
    expect(text).toContain('lighthouse_hub_limited_total{limit="registrations-by-key"} 1')
  })
})

describe('what Express calls trust proxy', () => {
  it('is refused in words when it is nonsense', async () => {
    const failure = firstValueFrom(createHub$({ port: 0, database: ':memory:', trustProxy: 'nowhere' }))
    await expect(failure).rejects.toMatchObject({
      code: 'invalid-option',
      message: expect.stringContaining('trustProxy'),
    })
  })
})

describe('who may register', () => {
  const post = (hub: Hub, body: object, path = '/v1/register', headers = {}) =>
    fetch(`${hub.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  const controlToken = nodeCrypto.randomId(32)

  async function invites(hub: Hub, count: number): Promise<string[]> {
    const response = await post(hub, {}, `/control/invites?count=${count}`, { 'x-lighthouse-token': controlToken })
    expect(response.status).toBe(201)
    return ((await response.json()) as { invites: string[] }).invites
  }

  it('is nobody where registration is closed', async () => {
    const hub = await startHub({ registration: 'closed' })
    const response = await post(hub, registration(newAccount('alice')))
    expect(response.status).toBe(403)
    expect(await response.json()).toMatchObject({ code: 'registration-closed', detail: expect.stringMatching(/\.$/) })
  })

  it('is who has a code, once for each code', async () => {
    const hub = await startHub({ registration: 'invite', controlToken })
    const [alice, bob] = [newAccount('alice'), newAccount('bob')]
    const needed = { status: 403, code: 'invite-needed', detail: expect.stringMatching(/\.$/) }
    const [code, other] = await invites(hub, 2)
    expect(Buffer.from(code!, 'base64url')).toHaveLength(16)
    expect(await (await post(hub, registration(alice))).json()).toMatchObject(needed)
    expect(await (await post(hub, { ...registration(alice), invite: 'guess' })).json()).toMatchObject(needed)
    expect(await (await post(hub, { ...registration(alice), invite: 7 })).json()).toMatchObject({ status: 400 })
    expect((await post(hub, { ...registration(alice), invite: code })).status).toBe(201)
    expect(await (await post(hub, { ...registration(bob), invite: code })).json()).toMatchObject(needed)
    // A name that is taken does not use the code up.
    expect((await post(hub, { ...registration(newAccount('alice')), invite: other })).status).toBe(409)
    expect((await post(hub, { ...registration(bob), invite: other })).status).toBe(201)
    const text = await (await fetch(`${hub.url}/metrics`)).text()
    expect(text).toContain('lighthouse_hub_registrations_total{outcome="invite-needed"} 3')
  })

  it('is one of twenty who race for a code', async () => {
    const hub = await startHub({ registration: 'invite', controlToken })
    const [invite] = await invites(hub, 1)
    const names = [...'abcdefghijklmnopqrst']
    const answers = await Promise.all(names.map(name => post(hub, { ...registration(newAccount(name)), invite })))
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, ...Array(19).fill(403)])
  })

  it('takes a code and keeps it where everybody may come', async () => {
    const hub = await startHub({ controlToken })
    const [invite] = await invites(hub, 1)
    expect((await post(hub, { ...registration(newAccount('alice')), invite })).status).toBe(201)
    expect((await post(hub, { ...registration(newAccount('bob')), invite })).status).toBe(201)
  })

  it('is for the operator to say: without the token there is no such route', async () => {
    const [hub, without] = [await startHub({ controlToken }), await startHub()]
    const nothing = await (await post(hub, {}, '/nothing')).json()
    const tokens: [Hub, object][] = [
      [hub, {}],
      [hub, { 'x-lighthouse-token': '' }],
      [hub, { 'x-lighthouse-token': `${controlToken}x` }],
      [without, { 'x-lighthouse-token': controlToken }],
      [without, {}],
    ]
    for (const [at, headers] of tokens) {
      const response = await post(at, {}, '/control/invites', headers)
      expect([response.status, await response.json()]).toEqual([404, nothing])
    }
    for (const count of ['0', '1001', '-1', '1.5', 'x']) {
      const response = await post(hub, {}, `/control/invites?count=${count}`, { 'x-lighthouse-token': controlToken })
      expect(response.status).toBe(400)
    }
  })
})
