/** A proxy over a peer in memory, and ways to talk to it byte by byte. */
import { createServer, request, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, beforeEach } from '@jest/globals'
import { BehaviorSubject, defer, NEVER, Observable, of, type Subscription, tap } from 'rxjs'
import { nodeTcp } from '../../src/adapters/tcp/tcp.node.js'
import { proxyServer$ } from '../../src/adapters/proxy/server.express.js'
import type { ByteSocket } from '../../src/ports.js'
import type { PeerFacts, ProbeEvent } from '../../src/protocol/doctor/probe.js'
import type { LighthouseError } from '../../src/protocol/errors.js'
import type { ProxyBackend } from '../../src/adapters/proxy/backend.js'
import type { Tunnel } from '../../src/protocol/tunnels/tunnels.js'
import type { KnownKeys } from '../../src/ports/known-keys.js'
import { assertNickname } from '../../src/protocol/peer/nickname.js'
import type { Balance, ConnectionStats, PeerStats } from '../../src/protocol/peer/stats.js'
import { nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import { createKnownKeys } from '../../src/streams/peer/known-keys.js'
import { createMemoryTrust } from '../../src/streams/signaling/trust.js'
import { createMemorySites, createSites } from '../../src/streams/peer/sites.js'
import { joinSockets } from './join-sockets.js'

export const link: ConnectionStats = {
  session: 'abcdefghijklmnop',
  nickname: 'bob',
  pubKey: 'Qm9i',
  fingerprint: '0123-4567-89ab-cdef-ghjk-mnpq',
  role: 'consumer',
  engine: 'node-datachannel',
  tunnelPort: 42001,
  streams: 2,
  receivedBytes: 12_345_678,
  sentBytes: 4_321,
  receiveRate: 2_500_000,
  sendRate: 1_200,
  bufferedBytes: 0,
  silentSeconds: 0,
  path: 'host',
  roundTripMs: 3,
}

export const someStats: PeerStats = {
  nickname: 'alice',
  fingerprint: 'kmnp-4567-89ab-cdef-ghjk-0123',
  hub: { type: 'authenticated' },
  coins: 61_947_635,
  udp: 'open',
  activeResources: 7,
  subscriptions: 3,
  attempts: 0,
  connections: [link],
  streams: 2,
  bufferedBytes: 0,
  memory: { rss: 80_000_000, heapUsed: 20_000_000, external: 1_000_000 },
  uptimeMs: 3_725_000,
}

export const token = 'a-token-of-the-specs'

/** A peer in memory that counts what it is asked. */
export class FakeBackend implements ProxyBackend {
  readonly identity = { nickname: 'alice', fingerprint: someStats.fingerprint }
  readonly controlToken = token
  readonly stats = new BehaviorSubject<PeerStats>(someStats)
  stats$: Observable<PeerStats> = this.stats
  owed$: Observable<number> = of(350_000)
  readonly forgiven: string[] = []
  /** Nicknames asked for, and how many wishes are still alive. */
  readonly asked: string[] = []
  waiting = 0
  stopped = 0
  /** Where streams lead. */
  streamPort = 0
  private followsTunnels = true
  readonly ends = new Map<string, LighthouseError>()
  connection$: (nickname: string) => Observable<Tunnel> = () => NEVER
  coins$: Observable<Balance> = of({ bytes: 61_947_635, asOfMs: undefined })

  connect$(nickname: string): Observable<Tunnel> {
    return new Observable(subscriber => {
      try {
        assertNickname(nickname)
      } catch (error) {
        return subscriber.error(error)
      }
      this.asked.push(nickname)
      this.waiting += 1
      subscriber.add(() => (this.waiting -= 1))
      const reached$ = this.connection$(nickname).pipe(
        tap(({ port }) => {
          if (this.followsTunnels) this.streamPort = port
        }),
      )
      subscriber.add(reached$.subscribe(subscriber))
    })
  }

  carry(nickname: string, socket: ByteSocket): void {
    const explain = (reason: LighthouseError): LighthouseError => this.ends.get(nickname) ?? reason
    joinSockets(socket, nodeTcp.dial({ host: '127.0.0.1', port: this.streamPort }), explain)
  }

  allowedHosts: readonly string[] = []
  readonly trust = createMemoryTrust()
  readonly siteStore = createMemorySites()
  /** Keys as the hub gives them. */
  readonly names = new Map<string, string>()
  readonly sites = createSites({ store: this.siteStore, keyOf: nickname => nickname, clock: performance })

  balance$(): Observable<Balance> {
    return this.coins$
  }

  forgive$(nickname: string): Observable<number> {
    return defer(() => {
      this.forgiven.push(nickname)
      return this.owed$
    })
  }

  readonly keys: KnownKeys = createKnownKeys({
    identity: { nickname: 'alice', host: 'hub' },
    trust: this.trust,
    sites: this.siteStore,
    hub: { resolve$: nickname => of(this.names.get(nickname)) },
    crypto: nodeCrypto,
  })
  facts$: Observable<PeerFacts> = NEVER
  probe$: (nickname: string) => Observable<ProbeEvent> = () => NEVER

  requestStop(): void {
    this.stopped += 1
  }

  /** From now on streams lead to this port, whatever the tunnel. */
  leadStreams(port: number): void {
    this.streamPort = port
    this.followsTunnels = false
  }

  /** From now on every peer is behind this port. */
  leadTo(port: number): void {
    this.connection$ = nickname => of({ nickname, host: '127.0.0.1', port })
  }
}

const cleanUps: (() => void | Promise<void>)[] = []

/** Ends what the helpers below started, newest first. For `afterEach`. */
export async function cleanUp(): Promise<void> {
  for (const end of cleanUps.splice(0).reverse()) await end()
}

export function onCleanUp(end: () => void | Promise<void>): void {
  cleanUps.push(end)
}

export interface RunningProxy {
  readonly port: number
  readonly url: string
  readonly subscription: Subscription
}

export function startProxy(peer: ProxyBackend, dataUrl?: string): Promise<RunningProxy> {
  return new Promise((resolve, reject) => {
    const subscription = proxyServer$({ port: 0, peer, dataUrl }).subscribe({
      next: ({ port, url }) => resolve({ port, url, subscription }),
      error: reject,
    })
    onCleanUp(() => subscription.unsubscribe())
  })
}

/** An HTTP server that stands for the far end of a tunnel. */
export function startUpstream(listener: RequestListener): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer(listener)
  onCleanUp(() => {
    server.close()
    server.closeAllConnections()
  })
  return new Promise(resolve => {
    server.listen(0, '127.0.0.1', () => resolve({ port: (server.address() as AddressInfo).port, server }))
  })
}

/** Sends the very bytes and resolves with all that comes back until the other side closes. */
export function exchange(port: number, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    onCleanUp(() => void socket.destroy())
    socket.on('data', chunk => chunks.push(chunk))
    socket.on('end', () => resolve(Buffer.concat(chunks).toString('latin1')))
    socket.on('error', reject)
  })
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** One request with the path exactly as given, on a connection of its own. */
export function ask(
  port: number,
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  const { method = 'GET', headers = {}, body } = options
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, res => {
      const chunks: Buffer[] = []
      res.on('data', (chunk: Buffer) => chunks.push(chunk))
      res.on('end', () =>
        resolve({ status: res.statusCode!, headers: res.headers, body: Buffer.concat(chunks).toString() }),
      )
      res.on('error', reject)
    })
    req.on('error', reject)
    req.end(body)
  })
}

/** The peer and the proxy of the spec that runs, where a suite has them. */
export let peer: FakeBackend
export let proxy: RunningProxy

/** Gives each spec of the suite a proxy of its own, and ends what the spec started. */
export function proxyForEach(dataUrl?: string): void {
  beforeEach(async () => {
    peer = new FakeBackend()
    proxy = await startProxy(peer, dataUrl)
  })
  afterEach(cleanUp)
}

/** Resolves once the condition holds. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate)
}
