import { describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { requestTurns } from '../../../../src/hub/adapters/http/request-turns.js'
import { cleanup } from '../../support.js'

async function serve(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<() => Promise<Socket>> {
  const server = createServer(requestTurns(handler)).listen(0, '127.0.0.1')
  cleanup(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return async () => {
    const socket = connect(port, '127.0.0.1')
    cleanup(() => socket.destroy())
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    return socket
  }
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`

/** Resolves with everything that came when so many answers are there. */
async function answers(socket: Socket, count: number): Promise<string> {
  let text = ''
  while (text.split('HTTP/1.1 200').length <= count) text += String(((await once(socket, 'data')) as [Buffer])[0])
  return text
}

describe('requestTurns', () => {
  it('serves what came in one packet one after the other, in order, and others in between', async () => {
    const served: string[] = []
    const isServing = { many: 0, most: 0 }
    const open = await serve((request, response) => {
      served.push(request.url!)
      isServing.most = Math.max(isServing.most, (isServing.many += 1))
      // An answer takes as long as a look into a database.
      setImmediate(() => {
        isServing.many -= 1
        response.end(request.url)
      })
    })
    const [flooding, honest] = [await open(), await open()]
    flooding.write(Array.from({ length: 100 }, (_, index) => get(`/${index}`)).join(''))
    honest.write(get('/honest'))
    await answers(honest, 1)
    expect(served.indexOf('/honest')).toBeLessThan(50)
    const text = await answers(flooding, 100)
    expect(served.filter(path => path !== '/honest')).toEqual(Array.from({ length: 100 }, (_, index) => `/${index}`))
    expect(text.indexOf('/1')).toBeLessThan(text.indexOf('/99'))
    expect(isServing.most).toBeLessThanOrEqual(2)
  })

  it('answers nine that were sent ahead, bodies included', async () => {
    const open = await serve((request, response) => {
      request.resume().once('end', () => response.end('x'))
    })
    const socket = await open()
    socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc'.repeat(9))
    expect(await answers(socket, 9)).toContain('HTTP/1.1 200')
  })

  it('cuts off who sends hundreds ahead, and goes on with others', async () => {
    const open = await serve((_request, response) => void setImmediate(() => response.end()))
    const flooding = await open()
    flooding.resume()
    flooding.write(get('/').repeat(1_000))
    await once(flooding, 'close')
    const honest = await open()
    honest.write(get('/'))
    expect(await answers(honest, 1)).toContain('HTTP/1.1 200')
  })

  it('serves nothing more of a connection that is gone', async () => {
    const served: string[] = []
    const open = await serve((request, response) => {
      served.push(request.url!)
      if (request.url === '/0') request.socket.destroy()
      else response.end()
    })
    const gone = await open()
    gone.write(get('/0') + get('/1'))
    await once(gone, 'close')
    const honest = await open()
    honest.write(get('/2'))
    await answers(honest, 1)
    expect(served).toEqual(['/0', '/2'])
  })
})
