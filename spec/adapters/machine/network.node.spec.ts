import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { firstValueFrom, toArray } from 'rxjs'
import { nodeNetwork } from '../../../src/adapters/machine/network.node.js'
import { backTo, resources } from '../../compliance/support/resources.js'

const servers: Socket[] = []
let before: Readonly<Record<string, number>>

beforeEach(() => {
  before = resources()
})

afterEach(async () => {
  for (const server of servers.splice(0)) server.close()
  await backTo(before)
})

/** A server that answers what it is asked, from the `first` question on, as `answer` makes of it. */
async function server(answer: (question: Buffer) => Buffer, first = 1, address = '127.0.0.1') {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  servers.push(socket)
  let asked = 0
  socket.on('message', (question, { port }) => {
    if (++asked >= first) socket.send(answer(question), port, address)
  })
  socket.bind(0, address)
  await once(socket, 'listening')
  return { host: address, port: socket.address().port, asked: () => asked }
}

function binding(question: Buffer): Buffer {
  const answer = Buffer.from(question)
  answer.writeUInt16BE(0x0101, 0)
  return answer
}

function ofAnotherTransaction(question: Buffer): Buffer {
  const answer = binding(question)
  answer[19]! ^= 1
  return answer
}

const ask = (server: { readonly host: string; readonly port: number }): Promise<readonly boolean[]> =>
  firstValueFrom(nodeNetwork.asksUdp$(server).pipe(toArray()))

describe('asking over UDP', () => {
  it('is answered by a server, by name, and over IPv6', async () => {
    const { port } = await server(binding)
    expect(await ask({ host: '127.0.0.1', port })).toEqual([true])
    expect(await ask({ host: 'localhost', port })).toEqual([true])
    expect(await ask(await server(binding, 1, '::1'))).toEqual([true])
  })

  it('asks again where a datagram was lost', async () => {
    const lossy = await server(binding, 3)
    expect(await ask(lossy)).toEqual([true])
    expect(lossy.asked()).toBe(3)
  })

  it('is not answered by silence, by a port where nobody listens, by a name that is none, or by something else', async () => {
    const silent = await server(binding, Infinity)
    const noise = await server(ofAnotherTransaction)
    const closed = await server(binding)
    servers.splice(2)[0]!.close()
    const answers = [silent, noise, closed, { host: 'no such host.invalid', port: 3478 }].map(ask)
    expect(await Promise.all(answers)).toEqual([[false], [false], [false], [false]])
  })

  it('leaves nothing when it is given up', async () => {
    const silent = await server(binding, Infinity)
    const subscription = nodeNetwork.asksUdp$(silent).subscribe()
    await firstValueFrom(nodeNetwork.asksUdp$(await server(binding)))
    subscription.unsubscribe()
    for (const socket of servers.splice(0)) socket.close()
    await backTo(before)
    expect(Object.entries(resources()).filter(([kind, count]) => count > (before[kind] ?? 0))).toEqual([])
  })
})

describe('the addresses of this machine', () => {
  it('are in the same order each time, and none is loopback', () => {
    const addresses = nodeNetwork.addresses()
    expect(nodeNetwork.addresses()).toEqual(addresses)
    expect(addresses).not.toContain('127.0.0.1')
  })
})
