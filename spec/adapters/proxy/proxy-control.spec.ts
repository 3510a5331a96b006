import { describe, expect, it } from '@jest/globals'
import { finalize, from, NEVER, of, startWith, throwError } from 'rxjs'
import type { PeerFacts, ProbeEvent } from '../../../src/protocol/doctor/probe.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { portBlock } from '../../../src/protocol/peer/port-block.js'
import { ask, exchange, peer, proxy, proxyForEach, token } from '../../support/proxy-fixture.node.js'
import { newKeys } from '../../support/ledger.js'
import { open } from '../../support/transfer.node.js'

proxyForEach('http://127.0.0.1:42011/')

const post = (path: string, headers: Record<string, string> = { 'x-lighthouse-token': token }) =>
  ask(proxy.port, path, { method: 'POST', headers })

describe('POST /control/stop', () => {
  it('stops the peer with the token', async () => {
    const { status } = await ask(proxy.port, '/control/stop', {
      method: 'POST',
      headers: { 'x-lighthouse-token': token },
    })
    expect(status).toBe(202)
    expect(peer.stopped).toBe(1)
  })

  it.each([undefined, '', 'wrong', `${token}x`])('refuses the token %j', async presented => {
    const headers: Record<string, string> = presented === undefined ? {} : { 'x-lighthouse-token': presented }
    const { status, body } = await ask(proxy.port, '/control/stop', { method: 'POST', headers })
    expect(status).toBe(403)
    expect(JSON.parse(body).next).toContain('lighthouse-peer')
    expect(peer.stopped).toBe(0)
  })

  it('refuses a doubled token', async () => {
    const answer = await exchange(
      proxy.port,
      `POST /control/stop HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\nConnection: close\r\n` +
        `X-Lighthouse-Token: ${token}\r\nX-Lighthouse-Token: ${token}\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1.1 403/)
  })

  it('is no GET', async () => {
    const { status, headers } = await ask(proxy.port, '/control/stop')
    expect([status, headers.allow]).toEqual([405, 'POST'])
  })
})

describe('POST /control/forgive/NICK', () => {
  it('asks nothing more, and says how much that was', async () => {
    const { status, headers, body } = await post('/control/forgive/bob')
    expect([status, headers['cache-control']]).toEqual([200, 'no-store'])
    expect(JSON.parse(body)).toEqual({ nickname: 'bob', coins: '0.350000', bytes: 350_000 })
    expect(peer.forgiven).toEqual(['bob'])
  })

  it('says why it cannot', async () => {
    peer.owed$ = throwError(() => new LighthouseError('unknown-nickname', 'nobody has the nickname "bob"'))
    const { status, body } = await post('/control/forgive/bob')
    expect([status, JSON.parse(body).code]).toEqual([404, 'unknown-nickname'])
  })

  it('is for who has the token, and no GET', async () => {
    expect((await post('/control/forgive/bob', { 'x-lighthouse-token': 'wrong' })).status).toBe(403)
    expect((await ask(proxy.port, '/control/forgive/bob')).status).toBe(405)
    expect((await post('/control/forgive/')).status).toBe(404)
    expect(peer.forgiven).toEqual([])
  })
})

describe('POST /control/key, trust and forget', () => {
  const [hubKey, old, current] = [newKeys().pubKey, newKeys().pubKey, newKeys().pubKey]
  const paths = ['/control/key/bob', `/control/trust/bob/${encodeURIComponent(current)}`, '/control/forget/bob']

  it('show, replace and forget a key', async () => {
    peer.trust.remember('hub', 'hub', hubKey)
    peer.trust.remember('peer', `${hubKey}/bob`, old)
    peer.siteStore.choose(current, 'plain')
    peer.names.set('bob', current)
    const answers = []
    for (const path of paths) answers.push(JSON.parse((await post(path)).body))
    expect(answers).toEqual([
      { nickname: 'bob', known: old, current },
      { nickname: 'bob', known: old, current },
      { nickname: 'bob', key: current, site: 'plain' },
    ])
    expect(JSON.parse((await post('/control/key/bob')).body)).toEqual({ nickname: 'bob', known: null, current })
    expect(JSON.parse((await post('/control/forget/bob')).body)).toEqual({ nickname: 'bob', key: null, site: null })
  })

  it('say why they cannot, and are for who has the token', async () => {
    const { status, body } = await post('/control/key/carol')
    expect([status, JSON.parse(body).code]).toEqual([404, 'unknown-nickname'])
    expect((await post('/control/forget/Bob')).status).toBe(400)
    for (const path of paths) {
      expect((await post(path, { 'x-lighthouse-token': 'wrong' })).status).toBe(403)
      expect((await ask(proxy.port, path)).status).toBe(405)
    }
  })
})

describe('what the doctor asks', () => {
  const facts: PeerFacts = {
    hub: { type: 'authenticated' },
    iceServers: [{ urls: 'turn:turn.example', username: 'u', credential: 'secret' }],
    ports: portBlock(42_000),
    share: null,
    relayOnly: false,
  }

  it('is for who has the token, since credentials are in it', async () => {
    peer.facts$ = of(facts)
    const { status, headers, body } = await post('/control/facts')
    expect([status, headers['cache-control'], JSON.parse(body)]).toEqual([200, 'no-store', facts])
    for (const path of ['/control/facts', '/control/probe/bob']) {
      const refused = await post(path, {})
      expect([refused.status, refused.body.includes('secret')]).toEqual([403, false])
      expect((await ask(proxy.port, path)).status).toBe(405)
    }
  })

  it('tells what happens line by line, as it happens, and stops when nobody reads any more', async () => {
    const event: ProbeEvent = { type: 'phase', phase: 'offering', ms: 3 }
    const ended = new Promise<string>(resolve => {
      peer.probe$ = nickname =>
        NEVER.pipe(
          startWith(event),
          finalize(() => resolve(nickname)),
        )
    })
    const url = `http://127.0.0.1:${proxy.port}/control/probe/bob`
    const { message } = await open(url, { method: 'POST', headers: { 'x-lighthouse-token': token } })
    const [line] = await message.take(1).toArray()
    expect(JSON.parse(String(line))).toEqual(event)
    message.destroy()
    expect(await ended).toBe('bob')
  })

  it('ends with the last event, and is a problem where it cannot begin', async () => {
    const failed: ProbeEvent = { type: 'failed', code: 'peer-offline', message: 'away', next: undefined, ms: 9 }
    peer.probe$ = () => from<readonly ProbeEvent[]>([{ type: 'phase', phase: 'offering', ms: 3 }, failed])
    const { headers, body } = await post('/control/probe/bob')
    expect(headers['content-type']).toContain('application/x-ndjson')
    expect(
      body
        .trim()
        .split('\n')
        .map(line => JSON.parse(line).type),
    ).toEqual(['phase', 'failed'])
    peer.probe$ = () => throwError(() => new LighthouseError('own-nickname', '"alice" is you'))
    const refused = await post('/control/probe/alice')
    expect([refused.status, JSON.parse(refused.body).code]).toEqual([409, 'own-nickname'])
  })
})
