/** The address of a tunnel whose streams lead to a server of the spec. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { filter, firstValueFrom, of, share } from 'rxjs'
import { nodeTcp } from '../../src/adapters/tcp/tcp.node.js'
import { entrance } from '../../src/adapters/tunnels/entrance.node.js'
import type { Sites } from '../../src/ports/sites.js'
import type { LighthouseError } from '../../src/protocol/errors.js'
import { createMemorySites, createSites } from '../../src/streams/peer/sites.js'
import { joinSockets } from './join-sockets.js'
import { onCleanUp } from './proxy-fixture.node.js'

export interface TunnelFixture {
  readonly port: number
  /** How many streams have been opened. */
  readonly streams: () => number
  readonly sites: Sites
  readonly close: () => void
}

export interface TunnelFixtureOptions {
  readonly nickname?: string
  /** Default: the system chooses. */
  readonly port?: number
  readonly proxyPort?: number
  readonly allowedHosts?: readonly string[]
  readonly sites?: Sites
  /** Why there is no connection now. */
  readonly failure?: () => LighthouseError | undefined
}

/** Opens the address; streams lead to the port that `target` gives at that moment. Closed by `cleanUp`. */
export async function startTunnel(
  target: () => number,
  { nickname = 'bob', proxyPort = 42_000, allowedHosts = [], failure, ...options }: TunnelFixtureOptions = {},
): Promise<TunnelFixture> {
  const sites = options.sites ?? createSites({ store: createMemorySites(), keyOf: name => name, clock: performance })
  const event$ = entrance({ proxyPort$: of(proxyPort), allowedHosts, sites })
    .listen$({ port: options.port ?? 0, nickname })
    .pipe(share())
  let streams = 0
  const listening = firstValueFrom(event$.pipe(filter(event => event.type === 'listening')))
  const subscription = event$.subscribe(event => {
    if (event.type !== 'socket') return
    streams += 1
    const reason = failure?.()
    if (reason === undefined) joinSockets(event.socket, nodeTcp.dial({ host: '127.0.0.1', port: target() }))
    else event.socket.reset(reason)
  })
  onCleanUp(() => subscription.unsubscribe())
  const { port } = await listening
  return { port, streams: () => streams, sites, close: () => subscription.unsubscribe() }
}

/** A plain TCP server. Closed by `cleanUp`. */
export async function startService(
  serve: (socket: Socket) => void,
): Promise<{ readonly port: number; readonly server: Server }> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket.on('error', () => undefined))
    serve(socket)
  })
  onCleanUp(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, server }
}

/** A program that speaks first with these bytes, and takes what comes until there is as much as it waits for, or the end. */
export function converse(
  port: number,
  bytes: string | Buffer,
  options: { readonly until?: RegExp; readonly end?: boolean } = {},
): Promise<string> {
  const { until, end = false } = options
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => {
      if (bytes.length > 0) socket.write(bytes)
      if (end) socket.end()
    })
    onCleanUp(() => void socket.destroy())
    let text = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      text += chunk
      if (until?.test(text) === true) resolve(text)
    })
    socket.on('end', () => {
      socket.end()
      resolve(text)
    })
    socket.on('error', reject)
  })
}
