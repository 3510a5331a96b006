import type { NetworkInterfaceInfo } from 'node:os'
import { isLocalAddress } from '../protocol/peer/metadata.js'

/** What decides who can reach a hub, and whom its peers can reach. */
export interface ReachFacts {
  /** The address that the hub listens on, `0.0.0.0` or `::` for all of them. */
  readonly address: string
  readonly port: number
  readonly interfaces: NodeJS.Dict<readonly Pick<NetworkInterfaceInfo, 'address' | 'internal'>[]>
  /** A proxy in front passes others on to it. */
  readonly isBehindProxy: boolean
  /** It names a STUN or TURN server to its peers. */
  readonly hasIceServers: boolean
}

/** Who can reach a hub, in words. */
export interface Reach {
  /** What a friend gives as `--hub`. */
  readonly addresses: readonly string[]
  /** The same once TLS is in front: peers speak no plain HTTP to public addresses. */
  readonly withTls: readonly string[]
  readonly warnings: readonly string[]
}

/** Of one link alone: such an address names no machine without its interface. */
const linkLocal = /^fe[89ab]/i

const loopback = /^(::ffff:)?127\.|^::1$/i

/** Addresses that others may use, of a hub that listens on all of them or on one. */
function reachable({ address, interfaces }: ReachFacts): readonly string[] {
  if (address !== '0.0.0.0' && address !== '::') return loopback.test(address) ? [] : [address]
  return Object.values(interfaces)
    .flatMap(list => list ?? [])
    .filter(({ internal }) => !internal)
    .map(each => each.address)
    .filter(each => !linkLocal.test(each) && (address === '::' || !each.includes(':')))
}

/** Which addresses a friend can use, and what is in the way of it. */
export function hubReach(facts: ReachFacts): Reach {
  const hosts = reachable(facts).map(address => (address.includes(':') ? `[${address}]` : address))
  const urls = (scheme: string, isLocal: boolean): readonly string[] =>
    hosts.filter(host => isLocalAddress(host) === isLocal).map(host => `${scheme}://${host}:${facts.port}`)
  const warnings: string[] = []
  if (hosts.length === 0 && !facts.isBehindProxy) {
    warnings.push(
      'Only this machine can reach this hub. To let others connect, listen on more addresses: --host 0.0.0.0 means all of them.',
    )
  }
  if (!facts.hasIceServers) {
    warnings.push(
      'No STUN server is set, so peers behind different routers cannot reach each other. Name the host of one with --turn HOST, or with --stun stun:HOST:PORT.',
    )
  }
  return { addresses: urls('http', true), withTls: urls('https', false), warnings }
}
