/** What both clients of a hub say when its address is not what its scheme says. */
import { describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { firstValueFrom, lastValueFrom } from 'rxjs'
import { fetchHubClient } from '../../../src/adapters/hub/http-client.js'
import { socketIoTransport } from '../../../src/adapters/hub/socket-io.client.js'
import { cleanup, newAccount, startHub } from '../../hub/support.js'

/** A port where every connection gets this. */
async function listen(serve: (socket: Socket) => void): Promise<string> {
  const server = createServer(socket => {
    cleanup(() => socket.destroy())
    socket.on('error', () => undefined)
    serve(socket)
  }).listen(0, '127.0.0.1')
  cleanup(() => server.close())
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}

const clients: [string, (url: string) => Promise<unknown>][] = [
  ['HTTP', url => firstValueFrom(fetchHubClient(url).health$())],
  ['signaling', url => lastValueFrom(socketIoTransport(url).connect$(newAccount('alice').pubKey))],
]

describe.each(clients)('%s', (_name, connect) => {
  it('to a hub without TLS says so, and which address to use', async () => {
    const hub = await startHub()
    await expect(connect(`https://127.0.0.1:${hub.port}`)).rejects.toMatchObject({
      code: 'hub-unreachable',
      message: `The hub at https://127.0.0.1:${hub.port} cannot be reached: this address does not speak HTTPS. Use ${hub.url}`,
    })
  })

  it('to what wants TLS asks for https', async () => {
    const host = await listen(socket => socket.once('data', () => socket.destroy()))
    await expect(connect(`http://${host}`)).rejects.toMatchObject({
      code: 'hub-unreachable',
      message: expect.stringContaining(`use https://${host}`),
    })
  })

  it('to what speaks something else says so', async () => {
    const host = await listen(socket => socket.end('SSH-2.0-x\r\n'))
    for (const [scheme, name] of [
      ['http', 'HTTP'],
      ['https', 'HTTPS'],
    ]) {
      await expect(connect(`${scheme}://${host}`)).rejects.toMatchObject({
        code: 'hub-unreachable',
        message: expect.stringContaining(`does not speak ${name}.`),
      })
    }
  })
})
