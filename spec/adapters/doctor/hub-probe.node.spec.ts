import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { afterEach, describe, expect, it } from '@jest/globals'
import { firstValueFrom } from 'rxjs'
import { hubProbe$ } from '../../../src/adapters/doctor/hub-probe.node.js'
import { newIdentity } from '../../streams/support/fake-transport.js'
import { temporaryFolders } from '../../cli/support/temporary.js'
import { selfSigned } from '../../support/certificate.node.js'
import { describeIf, findProgram } from '../../support/requires.js'

const temporary = temporaryFolders()

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

const hubKey = newIdentity('hub').pubKey

async function listening(server: import('node:net').Server): Promise<number> {
  cleanups.push(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const health =
  (status: number, body: string, aheadMs = 0): RequestListener =>
  (_req, res) =>
    res.writeHead(status, { date: new Date(Date.now() + aheadMs).toUTCString() }).end(body)

const hubWith = async (handler: RequestListener): Promise<string> =>
  `http://127.0.0.1:${await listening(createServer(handler))}`

describe('hubProbe$', () => {
  it('sees a hub: its address, its key, and by how much its clock is ahead', async () => {
    const origin = await hubWith(health(200, JSON.stringify({ hub_key: hubKey }), 100_000))
    const found = await firstValueFrom(hubProbe$(origin))
    expect(found).toMatchObject({ origin, addresses: ['127.0.0.1'], address: '127.0.0.1', status: 200, hubKey })
    expect(found.failure).toBeUndefined()
    expect(Math.abs(found.clockAheadMs! - 100_000)).toBeLessThan(30_000)
  })

  it('sees what is no hub', async () => {
    const found = await firstValueFrom(hubProbe$(await hubWith(health(404, 'nothing here'))))
    expect(found).toMatchObject({ status: 404 })
    expect(found.hubKey).toBeUndefined()
  })

  it('says how far it came where it cannot be reached', async () => {
    const server = createTcpServer()
    const port = await listening(server)
    server.close()
    await once(server, 'close')
    const refused = await firstValueFrom(hubProbe$(`http://127.0.0.1:${port}`))
    expect(refused).toMatchObject({ addresses: ['127.0.0.1'], failure: expect.stringMatching(/ECONNREFUSED/) })
    expect(refused.address).toBeUndefined()
    const nowhere = await firstValueFrom(hubProbe$('https://nowhere.invalid'))
    expect([nowhere.addresses, nowhere.failure]).toEqual([undefined, expect.any(String)])
  })

  it('ends its connection when nobody waits any more', async () => {
    const server = createTcpServer()
    const port = await listening(server)
    const subscription = hubProbe$(`http://127.0.0.1:${port}`).subscribe()
    const [socket] = (await once(server, 'connection')) as [import('node:net').Socket]
    socket.resume()
    const closed = once(socket, 'close')
    subscription.unsubscribe()
    await closed
    expect(socket.destroyed).toBe(true)
  })
})

describeIf(findProgram(['openssl']), 'needs openssl')('hubProbe$ over TLS', () => {
  it('says why a certificate is not trusted', async () => {
    const server = createTlsServer(selfSigned(temporary()), health(200, '{}'))
    const origin = `https://127.0.0.1:${await listening(server)}`
    const found = await firstValueFrom(hubProbe$(origin))
    expect(found).toMatchObject({
      address: '127.0.0.1',
      failure: expect.stringMatching(/certificate cannot be trusted/),
    })
    expect(found.validToMs).toBeUndefined()
  })

  it('says why there is no TLS', async () => {
    const port = await listening(createServer(health(200, '{}')))
    const found = await firstValueFrom(hubProbe$(`https://127.0.0.1:${port}`))
    expect(found.failure).toMatch(/does not speak HTTPS/)
  })
})
