import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { firstValueFrom, lastValueFrom, tap } from 'rxjs'
import { tcpChannel$, type TcpSocket } from '../../../src/adapters/tcp/tcp-channel.js'

describe('tcpChannel$', () => {
  let server: Server
  let there: Promise<Socket>

  beforeEach(async () => {
    server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    there = once(server, 'connection').then(([socket]) => socket as Socket)
  })

  afterEach(async () => {
    ;(await there).destroy()
    server.close()
  })

  const dial = (): Socket => connect((server.address() as AddressInfo).port, '127.0.0.1')

  it('destroys the socket when it is unsubscribed from', async () => {
    const socket = dial()
    await firstValueFrom(tcpChannel$(socket))
    expect(socket.destroyed).toBe(true)
    await once(await there, 'close')
  })

  it('sends what a message held when it was handed over', async () => {
    const socket = dial()
    const other = await there
    const subscription = tcpChannel$(socket).subscribe(channel => {
      const message = new Uint8Array(200_000)
      // More than the system takes at once.
      for (let count = 1; count <= 40; count++) {
        message.fill(count)
        channel.send(message)
      }
      message.fill(0)
    })
    let received = 0
    let wrong = 0
    for await (const chunk of other as AsyncIterable<Buffer>) {
      for (const byte of chunk) if (byte !== 1 + Math.floor(received++ / 200_000)) wrong++
      if (received === 8_000_000) break
    }
    expect(wrong).toBe(0)
    subscription.unsubscribe()
  })

  it('completes, with its messages, when the other side ends', async () => {
    const log: unknown[] = []
    const over = lastValueFrom(
      tcpChannel$(dial()).pipe(
        tap(({ message$ }) => {
          message$.subscribe({ next: message => log.push([...message]), complete: () => log.push('complete') })
        }),
      ),
    )
    ;(await there).end('x')
    await over
    expect(log).toEqual([[120], 'complete'])
  })

  it('errors with channel-closed where nobody listens, and with its cause', async () => {
    dial()
    await there
    const free = createServer().listen(0, '127.0.0.1')
    await once(free, 'listening')
    const { port } = free.address() as AddressInfo
    free.close()
    await once(free, 'close')
    await expect(lastValueFrom(tcpChannel$(connect(port, '127.0.0.1')))).rejects.toMatchObject({
      code: 'channel-closed',
      cause: { code: 'ECONNREFUSED' },
    })
  })

  it('takes no other thing for a socket', async () => {
    dial()
    await there
    expect(() => tcpChannel$({} as TcpSocket)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
  })
})
