import { describe, expect, it, jest } from '@jest/globals'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { asyncScheduler } from 'rxjs'
import { nodeCrypto } from '../../../../src/adapters/crypto/crypto.node.js'
import { downloadLimit } from '../../../../src/hub/adapters/limits/request-limits.js'
import { hubRoutes } from '../../../../src/hub/adapters/http/express-routes.js'
import { prometheusMetrics } from '../../../../src/hub/adapters/metrics/prometheus.js'
import type { HubStore } from '../../../../src/hub/ports/store.js'
import type { LedgerLine } from '../../../../src/hub/protocol/settlement/ledger.js'
import { ConcurrencyLimiter } from '../../../../src/hub/protocol/limits/concurrency-limiter.js'
import { healthCheck } from '../../../../src/hub/streams/http/health.js'
import { SessionBus } from '../../../../src/hub/adapters/bus/session-bus.js'
import { genesisHash } from '../../../../src/protocol/ledger/ledger-line.js'
import { cleanup, newAccount, postRegistration, registration } from '../../support.js'

async function serve(store: Partial<HubStore>, downloads = 32, onLimit = () => undefined as void) {
  const logger = { info: jest.fn(), warn: jest.fn(), error: jest.fn() }
  const bus = new SessionBus('hub', 'process', asyncScheduler, true)
  const routes = hubRoutes({
    store: store as HubStore,
    hubKey: 'key',
    version: '1.2.3',
    grantBytes: 1,
    crypto: nodeCrypto,
    registration: 'open',
    health: healthCheck({
      store: { check: async () => undefined, ...store },
      bus,
      head: async () => null,
      scheduler: asyncScheduler,
      logger,
    }),
    control: undefined,
    nowMs: () => 0,
    metrics: prometheusMetrics({
      ...{ signedIn: () => 0, sockets: () => 0, pendingReceipts: () => 0, maxPendingReceipts: 1, downloads: () => 0 },
      ...{
        openInvites: broken,
        bus: () => bus.state,
        lagSeconds: () => 0,
      },
    }),
    logger,
    trustsProxy: () => false,
    registrationLimit: (_request, _response, next) => next(),
    lookupLimit: (_request, _response, next) => next(),
    downloadLimit: downloadLimit(
      new ConcurrencyLimiter({ others: 1, loopback: downloads }, address => address),
      onLimit,
    ),
    mayRegister: async () => true,
  })
  const server = createServer(routes).listen(0, '127.0.0.1')
  cleanup(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return { url: `http://127.0.0.1:${port}`, port, hubKey: '', logger }
}

const broken = async (): Promise<never> => {
  throw new Error('disk I/O error')
}

describe('routes over a store that fails', () => {
  it('say so in health, without the reason that is for the operator', async () => {
    const hub = await serve({ check: broken })
    const response = await fetch(`${hub.url}/v1/health`)
    expect(response.status).toBe(503)
    const text = await response.text()
    expect(JSON.parse(text)).toMatchObject({ status: 'failing', hub_key: 'key' })
    expect(text).not.toContain('disk I/O')
    expect(hub.logger.error).toHaveBeenCalledTimes(1)
  })

  it('say all that is known without it in the metrics', async () => {
    const text = await (await fetch(`${(await serve({})).url}/metrics`)).text()
    expect(text).toMatch(/^lighthouse_hub_open_invites Nan$/m)
    expect(text).toMatch(/^lighthouse_hub_sockets 0$/m)
  })

  it('answer 503 in words elsewhere', async () => {
    const hub = await serve({ resolve: broken, balance: broken, register: broken })
    const key = encodeURIComponent(newAccount('x').pubKey)
    const answers = await Promise.all([
      fetch(`${hub.url}/v1/resolve/alice`),
      fetch(`${hub.url}/v1/coins?pub_key=${key}`),
      postRegistration(hub, registration(newAccount('alice'))),
    ])
    for (const answer of answers) {
      expect(answer.status).toBe(503)
      expect(await answer.json()).toMatchObject({ code: 'unavailable', detail: expect.stringContaining('again') })
    }
  })

  it('cut a ledger off in the middle, so that it cannot be taken for whole', async () => {
    const line = { seq: 1, prev_hash: genesisHash } as LedgerLine
    let calls = 0
    const hub = await serve({ blocksAfter: async () => ((calls += 1) === 1 ? [line] : broken()) })
    const response = await fetch(`${hub.url}/v1/ledger`)
    await expect(response.text()).rejects.toThrow()
  })
})

describe('a long ledger', () => {
  it('is sent so often at a time to one address, and again when one of them is over', async () => {
    const endless: HubStore['blocksAfter'] = async (seq, limit) =>
      Array.from({ length: limit }, (_, index) => ({ seq: seq + index + 1 }) as LedgerLine)
    const limited = jest.fn()
    const hub = await serve({ blocksAfter: endless }, 2, limited)
    const download = () => fetch(`${hub.url}/v1/ledger`)
    const answers = [await download(), await download(), await download()]
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429])
    expect(answers[2]!.headers.get('content-type')).toContain('application/problem+json')
    expect(await answers[2]!.json()).toMatchObject({ code: 'rate-limited' })
    expect(limited).toHaveBeenCalledTimes(1)
    await answers[0]!.body!.cancel()
    let status = 429
    while (status === 429) ({ status } = await download())
    expect(status).toBe(200)
  })

  it('is read no faster than it is taken', async () => {
    let pages = 0
    const padding = 'x'.repeat(500)
    const hub = await serve({
      blocksAfter: async (seq, limit) => {
        pages += 1
        return Array.from({ length: limit }, (_, index) => ({ seq: seq + index + 1, to: padding }) as LedgerLine)
      },
    })
    const socket = connect(hub.port, '127.0.0.1')
    cleanup(() => socket.destroy())
    socket.write('GET /v1/ledger HTTP/1.1\r\nhost: x\r\n\r\n')
    await once(socket, 'data')
    socket.pause()
    // An endless ledger: it stands still once the kernel's buffers are full.
    let before = -1
    let unchanged = 0
    while (unchanged < 200 && pages < 200) {
      unchanged = pages === before ? unchanged + 1 : 0
      before = pages
      await new Promise(resolve => setImmediate(resolve))
      await fetch(`${hub.url}/metrics`).then(response => response.text())
    }
    expect(pages).toBeLessThan(200)
    const stood = pages
    for (let taken = 0; taken < 8_000_000;) {
      const [chunk] = (await once(socket.resume(), 'data')) as [Buffer]
      taken += chunk.length
    }
    expect(pages).toBeGreaterThan(stood)
  })
})
