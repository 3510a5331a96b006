import { isIP } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'

/** A TLS connection to a server, which is told the name that is asked for (SNI), as one for several names has to be. */
export function connectTls({ host, port }: { readonly host: string; readonly port: number }): TLSSocket {
  // The name of a certificate is one; an address is none.
  return connect({ host, port, ...(isIP(host) === 0 && { servername: host }) })
}
