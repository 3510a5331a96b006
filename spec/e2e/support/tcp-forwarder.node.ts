/**
 * One address in front of several: what a reverse proxy is to the processes of a hub, as far as these specs need one.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { pipeline } from 'node:stream'

export interface Forwarder {
  /** `http://` and the address that stands for all of them. */
  readonly url: string
  close(): Promise<void>
}

/** A connection to the first that takes one. Undefined where none does. */
async function dialFirst(ports: readonly number[]): Promise<Socket | undefined> {
  const [port, ...others] = ports
  if (port === undefined) return undefined
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  try {
    await once(socket, 'connect')
    return socket
  } catch {
    return dialFirst(others)
  }
}

/** Listens on a free loopback port and passes each connection to the first of these hubs that lives. */
export async function forwarder(hubUrls: readonly string[]): Promise<Forwarder> {
  const ports = hubUrls.map(url => Number(new URL(url).port))
  const open = new Set<Socket>()
  const server = createServer({ pauseOnConnect: true, noDelay: true }, client => {
    open.add(client)
    // Whatever breaks one side breaks the other.
    const over = (): void => void open.delete(client)
    client.once('close', over).on('error', over)
    void dialFirst(ports).then(hub => {
      if (hub === undefined) {
        client.destroy()
        return
      }
      pipeline(client, hub, client, over)
      client.resume()
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      for (const client of open) client.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
