import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, describe, expect, it } from '@jest/globals'
import { firstValueFrom } from 'rxjs'
import { turnProbe$ } from '../../../src/adapters/doctor/turn-probe.node.js'
import type { IceUrl } from '../../../src/protocol/signaling/ice-url.js'
import { stunTypes } from '../../../src/protocol/signaling/stun.js'
import { temporaryFolders } from '../../cli/support/temporary.js'
import { selfSigned } from '../../support/certificate.node.js'
import { describeIf, findProgram } from '../../support/requires.js'
import { fakeTurn } from '../../support/turn-server.node.js'

const known = { username: '1790000000:QWxpY2U', credential: 'sesame' }
const relay = { address: '192.0.2.7', port: 50_000 }

const temporary = temporaryFolders()

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

const at = (port: number, transport: IceUrl['transport']): IceUrl => ({
  scheme: 'turn',
  host: '127.0.0.1',
  port,
  transport,
})

/** Drops the first datagram, as networks do. `returned` resolves when the allocation is given back. */
async function udpServer() {
  const server = fakeTurn(known)
  const socket = createSocket('udp4')
  cleanups.push(() => socket.close())
  const returned = new Promise<void>(resolve => {
    let isFirst = true
    socket.on('message', (bytes, { port, address }) => {
      const answer = isFirst ? undefined : server.answer(bytes)
      isFirst = false
      if (answer !== undefined) socket.send(answer, port, address)
      if (server.seen.includes(stunTypes.refreshRequest)) resolve()
    })
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { server: at(socket.address().port, 'udp'), returned }
}

/** In pieces of a few bytes each, as TCP may cut them. */
async function streamServer(transport: 'tcp' | 'tls') {
  const server = fakeTurn(known)
  const onSocket = (socket: import('node:net').Socket): void => {
    socket.on('error', () => undefined)
    cleanups.push(() => socket.destroy())
    socket.on('data', bytes => {
      const answer = server.answer(bytes)
      for (let from = 0; answer !== undefined && from < answer.length; from += 7)
        socket.write(answer.subarray(from, from + 7))
    })
  }
  const listener = transport === 'tls' ? createTlsServer(selfSigned(temporary()), onSocket) : createServer(onSocket)
  cleanups.push(() => listener.close())
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return at((listener.address() as AddressInfo).port, transport)
}

describe('turnProbe$', () => {
  it('gets an allocation over UDP although a datagram is lost, and gives it back', async () => {
    const { server, returned } = await udpServer()
    expect(await firstValueFrom(turnProbe$(server, known))).toEqual({ type: 'relayed', relay })
    await returned
  })

  it('gets one over TCP, however the bytes are cut', async () => {
    expect(await firstValueFrom(turnProbe$(await streamServer('tcp'), known))).toEqual({ type: 'relayed', relay })
  })

  it('is told that the credentials are wrong', async () => {
    const found = await firstValueFrom(turnProbe$(await streamServer('tcp'), { ...known, credential: 'another' }))
    expect(found).toMatchObject({ type: 'refused', errorCode: 401 })
  })

  it('says why there is no connection, or that nobody answers', async () => {
    const closed = createServer()
    closed.listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const { port } = closed.address() as AddressInfo
    closed.close()
    expect(await firstValueFrom(turnProbe$(at(port, 'tcp'), known))).toMatchObject({ type: 'unreachable' })
    const silent = createSocket('udp4')
    cleanups.push(() => silent.close())
    silent.bind(0, '127.0.0.1')
    await once(silent, 'listening')
    expect(await firstValueFrom(turnProbe$(at(silent.address().port, 'udp'), known))).toEqual({ type: 'silent' })
    const nowhere = { ...at(3478, 'udp'), host: 'nowhere.invalid' }
    expect(await firstValueFrom(turnProbe$(nowhere, known))).toMatchObject({ type: 'unreachable' })
  })
})

describeIf(findProgram(['openssl']), 'needs openssl')('turnProbe$ over TLS', () => {
  it('does not trust a certificate that nobody vouches for', async () => {
    const found = await firstValueFrom(turnProbe$(await streamServer('tls'), known))
    expect(found).toMatchObject({ type: 'unreachable', reason: expect.stringMatching(/self-signed/) })
  })
})
