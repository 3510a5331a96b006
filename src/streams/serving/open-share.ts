import { defer, map, type Observable, of } from 'rxjs'
import type { ByteSocket, TcpPort } from '../../ports.js'
import { fairDial, folderDials, serviceDials } from './fair-dial.js'

/** What a peer shares: a folder through its data server, or any TCP service of this machine. */
export type Share =
  | { readonly type: 'folder'; readonly path: string }
  | { readonly type: 'tcp'; readonly host: string; readonly port: number }

/** Opens the connection to what is shared for a stream of the peer with that key. */
export type Dial = (pubKey: string) => ByteSocket

/** What is shared, ready to be served. */
export interface OpenShare {
  /** The data server's own address, where a folder is shared. */
  readonly url?: string
  /** Undefined where nothing is shared. */
  readonly dial?: Dial
}

export interface OpenShareOptions {
  readonly share: Share | undefined
  /**
   * Opens the data server and emits its address once it listens. `keyAt` gives the key of the peer whose stream is carried by an open
   * connection from that local port, or undefined where the connection is none of ours.
   */
  readonly openFolder$: (
    path: string,
    keyAt: (localPort: number) => string | undefined,
  ) => Observable<{ readonly url: string; readonly port: number }>
  readonly tcp: Pick<TcpPort, 'dial'>
}

/** Opens what is shared: emits it once, with connections to it in fair turns. Unsubscribing closes it. Errors as `openFolder$` does. */
export function openShare$({ share, openFolder$, tcp }: OpenShareOptions): Observable<OpenShare> {
  return defer(() => {
    const keys = new Map<number, string>()
    const dialTo =
      (host: string, port: number): Dial =>
      key =>
        tcp.dial({
          host,
          port,
          onLocalPort: (localPort, open) => {
            if (open) keys.set(localPort, key)
            else keys.delete(localPort)
          },
        })
    if (share === undefined) return of({})
    if (share.type === 'tcp') return of({ dial: fairDial(dialTo(share.host, share.port), serviceDials) })
    return openFolder$(share.path, localPort => keys.get(localPort)).pipe(
      map(({ url, port }) => ({ url, dial: fairDial(dialTo('127.0.0.1', port), folderDials) })),
    )
  })
}
