/** What a hub serves: its routes and its signaling. */
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { defer, finalize, mergeMap, type Observable } from 'rxjs'
import { nodeCrypto } from '../adapters/crypto/crypto.node.js'
import type { LedgerHead } from '../protocol/signaling/signal.js'
import { clientAddress } from './adapters/http/client-address.js'
import { connectionLimiter } from './adapters/limits/connection-limiter.js'
import { downloadLimit } from './adapters/limits/download-limit.js'
import { hubRoutes } from './adapters/http/express-routes.js'
import type { HttpListening } from './adapters/http/http-listener.js'
import { addressKey } from './adapters/limits/address-key.js'
import { addressLimit } from './adapters/limits/address-limit.js'
import { socketIoServer$ } from './adapters/signaling/socket-io.server.js'
import type { Assembly } from './assembly.js'
import type { HubOptions, HubSettings } from './options.js'
import { healthCheck } from './streams/http/health.js'
import { serveSocket$ } from './streams/signaling/hub-session.js'
import { inviteHash, makeInvites } from './streams/http/invites.js'
import { signedHead } from './streams/settlement/ledger-head.js'
import { addressRateLimiter } from './streams/limits/address-rate-limiter.js'

function packageVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}

/** Attaches routes and signaling as long as it is subscribed to. Never emits. */
export function attach$(
  { server }: HttpListening,
  assembly: Assembly,
  settings: HubSettings,
  options: HubOptions,
): Observable<never> {
  const { context, gate, limiters, places, trustsProxy, downloads, lag } = assembly
  const { store, keys, bus, metrics, logger, scheduler } = context
  const { crypto = nodeCrypto } = options
  const { limits, controlToken: token } = settings
  return defer((): Observable<never> => {
    const byAddress = (
      name: 'registrations' | 'lookups',
      perMinute: number,
      onLimit: () => void,
    ): ReturnType<typeof addressLimit> =>
      addressLimit(perMinute, limiters(name, { burst: perMinute, perSecond: perMinute / 60 }), () => {
        metrics.limited(name)
        onLimit()
      })
    const registrationsByKey = limiters('registrations-by-key', limits.registrations)
    const head = (): Promise<LedgerHead | null> =>
      signedHead(store, keys, (privKey, text) => crypto.sign(privKey, text))
    const invites = async (count: number): Promise<readonly string[]> => {
      const codes = await makeInvites(count, store, crypto, scheduler.now())
      metrics.invites(codes.length)
      return codes
    }
    const routes = hubRoutes({
      store,
      hubKey: keys.pubKey,
      version: packageVersion(),
      grantBytes: settings.grantBytes,
      registration: settings.registration,
      inviteHash: code => inviteHash(code, crypto),
      verify: (pubKey, text, signature) => crypto.verify(pubKey, text, signature),
      health: healthCheck({ store, bus, head, scheduler, logger }),
      control: token === undefined ? undefined : { token, makeInvites: invites },
      nowMs: () => scheduler.now(),
      metrics,
      logger,
      trustsProxy,
      registrationLimit: byAddress('registrations', limits.registrationsPerMinute, () =>
        metrics.registration('rate-limited'),
      ),
      lookupLimit: byAddress('lookups', limits.lookupsPerMinute, () => undefined),
      downloadLimit: downloadLimit(limits.downloads, downloads, () => metrics.limited('downloads')),
      async mayRegister(pubKey) {
        const { allowed } = await registrationsByKey.take(pubKey)
        if (!allowed) metrics.limited('registrations-by-key')
        return allowed
      },
    })
    const addressOf = (request: IncomingMessage): string => clientAddress(request, trustsProxy)
    const handshakes = addressRateLimiter(limiters, 'handshakes', limits.handshakes, addressKey)
    const door = connectionLimiter({ gate, places, addressOf, handshakes, metrics })
    // Before socket.io: it takes its own requests out from in front of the routes that are there when it comes.
    server.on('request', routes)
    lag.start()
    return socketIoServer$(server, door).pipe(
      mergeMap(socket => serveSocket$(socket, context)),
      finalize(() => {
        server.off('request', routes)
        lag.stop()
      }),
    )
  })
}
