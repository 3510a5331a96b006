/**
 * Which side begins the DTLS handshake of a connection over libdatachannel. That may drop a handshake's first message which comes
 * while it is just finding its path, and the sender repeats it after a second only. So the side should begin that finds a path last.
 *
 * The side that offers checks first, having both sides' addresses first. Where these checks arrive, it has a path first, and the side that
 * answers has to begin, as is usual. Behind a router they do not arrive before the other side has sent something, and then that
 * one's do: there the side that offers has to begin. The side that answers decides, by the addresses that the offer names besides.
 */
import { addressScope, networkOf } from './address-scope.js'

const attribute = 'a=x-lighthouse-addresses:'

/** The offer with this machine's addresses, for the decision alone. */
export function withAddresses(sdp: string, addresses: readonly string[]): string {
  return sdp.replace(/^m=/m, `${attribute}${addresses.join(' ')}\r\nm=`)
}

/** Whether what is sent to one of these addresses without being asked for arrives from one of the others. */
function isReachable(own: readonly string[], others: readonly string[]): boolean {
  // A public IPv6 address does not tell: routers at home let nothing through to it that was not asked for.
  if (own.some(address => !address.includes(':') && addressScope(address) === 'public')) return true
  // One machine; two have no address in common, but for those that containers have everywhere.
  if (own.length === others.length && own.every(address => others.includes(address))) return true
  const networksOf = (some: readonly string[], besides: readonly string[]): readonly string[] =>
    some
      .filter(address => !besides.includes(address))
      .map(networkOf)
      .filter(network => network !== undefined)
  const networks = networksOf(others, own)
  return networksOf(own, others).some(network => networks.includes(network))
}

/**
 * An offer as it is to be answered on a machine with these addresses: without the other side's, and with `active` where that has to
 * begin. One that names none is left as it is.
 */
export function decideDtlsRole(sdp: string, own: readonly string[]): string {
  const line = /^a=x-lighthouse-addresses:(.{0,2048})\r?\n/m.exec(sdp)
  if (line === null) return sdp
  const plain = sdp.replace(line[0], '')
  const others = line[1]!.split(' ').filter(address => addressScope(address) !== undefined)
  return isReachable(own, others) ? plain : plain.replace('a=setup:actpass', 'a=setup:active')
}
