import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, describe, expect, it } from '@jest/globals'
import { firstValueFrom } from 'rxjs'
import { stunProbe$ } from '../../../src/adapters/doctor/stun-probe.node.js'
import { formatStun, stunAttributes, stunTypes } from '../../../src/protocol/signaling/stun.js'
import type { IceUrl } from '../../../src/protocol/signaling/ice-url.js'

const sockets: Socket[] = []
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close()
})

/** A server that sees the asker at its port, and `ahead` more: as a symmetric router would show it. Undefined: it is silent. */
async function stunServer(ahead: number | undefined): Promise<IceUrl & { readonly from: number[] }> {
  const from: number[] = []
  const socket = createSocket('udp4', (request, { port, address }) => {
    from.push(port)
    if (ahead === undefined) return
    const value = Buffer.from([0, 1, 0, 0, ...address.split('.').map(Number)])
    value.writeUInt16BE((port + ahead) ^ 0x2112, 2)
    value.writeUInt32BE((value.readUInt32BE(4) ^ 0x2112a442) >>> 0, 4)
    const answer = formatStun(stunTypes.bindingSuccess, request.subarray(8, 20), [
      [stunAttributes.xorMappedAddress, value],
    ])
    // What belongs to nobody is nobody's answer.
    socket.send(formatStun(stunTypes.bindingSuccess, Buffer.alloc(12)), port, address)
    socket.send(answer, port, address)
  })
  sockets.push(socket)
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { scheme: 'stun', host: '127.0.0.1', port: socket.address().port, transport: 'udp', from }
}

describe('stunProbe$', () => {
  it('asks all from one socket, so that what they see can be compared', async () => {
    const [one, two] = [await stunServer(0), await stunServer(3)]
    const seen = await firstValueFrom(stunProbe$([one, two]))
    const own = one.from[0]!
    expect(two.from[0]).toBe(own)
    const portOf = (server: IceUrl): number => seen.find(each => each.server === server)!.mapped!.port
    expect([portOf(one), portOf(two)]).toEqual([own, own + 3])
  })

  it('says who did not answer, and asked more than once', async () => {
    const [one, silent] = [await stunServer(0), await stunServer(undefined)]
    const unknown: IceUrl = { scheme: 'stun', host: 'nowhere.invalid', port: 3478, transport: 'udp' }
    const seen = await firstValueFrom(stunProbe$([one, silent, unknown]))
    expect(seen.map(({ server, mapped }) => [server, mapped !== undefined])).toEqual([
      [one, true],
      [silent, false],
      [unknown, false],
    ])
    expect(silent.from.length).toBe(3)
  })

  it('is done at once where there is nobody to ask', async () => {
    expect(await firstValueFrom(stunProbe$([]))).toEqual([])
  })
})
