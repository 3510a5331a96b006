import { afterEach } from '@jest/globals'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { writeRunFile } from '../../../src/cli/running.js'

/** HTTP servers on loopback that are gone after each test. */
export function httpServers(): (handler: RequestListener) => Promise<number> {
  const servers: Server[] = []
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
  })
  return async handler => {
    const server = createServer(handler)
    servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
}

/** Makes homes whose running peer is a handler of the test's own, in the given process. */
export function peerHomes(temporary: () => string): (handler: RequestListener, pid?: number) => Promise<string> {
  const serve = httpServers()
  return async (handler, pid = process.pid) => {
    const home = temporary()
    const url = `http://127.0.0.1:${await serve(handler)}/`
    writeRunFile(home, { pid, url, controlToken: 'the-token', startedAt: new Date().toISOString() })
    return home
  }
}
