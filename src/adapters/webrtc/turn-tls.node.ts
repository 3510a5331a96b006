import type { Socket } from 'node:net'
import { pipeline } from 'node:stream'
import {
  combineLatest,
  connect,
  dematerialize,
  map,
  materialize,
  mergeMap,
  Observable,
  of,
  ReplaySubject,
  switchMap,
} from 'rxjs'
import type { IceServer, RtcPort, RtcSignal } from '../../ports.js'
import { type IceUrl, parseIceUrl } from '../../protocol/signaling/ice-url.js'
import { accept$ } from '../tcp/accept.node.js'
import { connectTls } from '../tcp/tls.node.js'

const loopback = '127.0.0.1'

/** Carries a local connection to a server over TLS while subscribed. What breaks on one side breaks the other. Emits nothing. */
function carried$(socket: Socket, server: IceUrl): Observable<never> {
  return new Observable(subscriber => {
    const secure = connectTls(server).setNoDelay()
    // A server that is not there, or is not the one of that name, is one that closes: WebRTC looks for another way.
    pipeline(socket, secure, socket, () => subscriber.complete())
    return () => {
      secure.destroy()
      socket.destroy()
    }
  })
}

/** Listens for connections to that server while subscribed. Emits the port. */
function listener$(server: IceUrl): Observable<number> {
  return accept$({ host: loopback, port: 0 }).pipe(
    mergeMap(event => (event.type === 'listening' ? of(event.port) : carried$(event.socket, server))),
  )
}

/** The servers of the addresses that ask for TURN over TLS, each address once. */
function tlsRelays(servers: readonly IceServer[]): ReadonlyMap<string, IceUrl> {
  const parsed = servers.flatMap(({ urls }) => urls).map(url => [url, parseIceUrl(url)] as const)
  return new Map(
    parsed.filter((entry): entry is [string, IceUrl] => entry[1]?.scheme === 'turn' && entry[1].transport === 'tls'),
  )
}

/**
 * A WebRTC implementation whose TURN over TLS is that of Node: it gets a local address over TCP for each server, from which the
 * bytes travel on over TLS. wrtc trusts the authorities alone that it was built with, Let's Encrypt's not among them, and cannot
 * be given others; Node's are those of the day and of `NODE_EXTRA_CA_CERTS`.
 */
export function withNodeTls(rtc: RtcPort): RtcPort {
  return {
    name: rtc.name,
    connect$(options) {
      const relays = tlsRelays(options.iceServers)
      if (relays.size === 0) return rtc.connect$(options)
      const names = [...relays.keys()]
      return options.remote$.pipe(
        connect(
          remote$ =>
            combineLatest([...relays.values()].map(listener$)).pipe(
              map(ports => new Map(names.map((name, at) => [name, `turn:${loopback}:${ports[at]}?transport=tcp`]))),
              map(local =>
                options.iceServers.map(server => ({
                  ...server,
                  urls: [server.urls].flat().map(url => local.get(url) ?? url),
                })),
              ),
              // The listeners end with the connection, which does not end with them.
              switchMap(iceServers => rtc.connect$({ ...options, iceServers, remote$ }).pipe(materialize())),
              dematerialize(),
            ),
          // Of what arrives before the ports are known nothing is lost.
          { connector: () => new ReplaySubject<RtcSignal>() },
        ),
      )
    },
  }
}
