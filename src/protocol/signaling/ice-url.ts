/** One address of an ICE server, taken apart. */
export interface IceUrl {
  readonly scheme: 'stun' | 'turn'
  readonly host: string
  readonly port: number
  readonly transport: 'udp' | 'tcp' | 'tls'
}

const pattern = /^(stun|turn)(s?):(\[[0-9a-f:.]+\]|[^\s:/?#@[\]]+)(?::(\d{1,5}))?(?:\?transport=(udp|tcp))?$/i

/**
 * Takes a `stun:`, `stuns:`, `turn:` or `turns:` address apart. Undefined when it is none, or asks for DTLS, which no
 * implementation here has.
 *
 * @see RFC 7064 and RFC 7065
 */
export function parseIceUrl(url: string): IceUrl | undefined {
  const [, scheme, secure, host, portText, transport] = pattern.exec(url) ?? []
  if (scheme === undefined || host === undefined) return undefined
  const isSecure = secure !== ''
  const port = portText === undefined ? (isSecure ? 5349 : 3478) : Number(portText)
  if (port < 1 || port > 65_535 || (isSecure && transport?.toLowerCase() === 'udp')) return undefined
  return {
    scheme: scheme.toLowerCase() as IceUrl['scheme'],
    host: host.replace(/^\[|\]$/g, ''),
    port,
    transport: isSecure ? 'tls' : ((transport?.toLowerCase() as 'udp' | 'tcp' | undefined) ?? 'udp'),
  }
}
