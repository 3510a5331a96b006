import { once } from 'node:events'
import { Duplex, PassThrough } from 'node:stream'
import { connect } from 'node:tls'

/** What Node's TLS client says first: with that server name, or none. */
export async function helloFor(servername?: string): Promise<Buffer> {
  const sent = new PassThrough()
  const socket = Duplex.from({ readable: new PassThrough(), writable: sent })
  const client = connect({ socket, ...(servername !== undefined && { servername }) }).on('error', () => undefined)
  const [hello] = (await once(sent, 'data')) as [Buffer]
  client.destroy()
  return hello
}
