import type { OptionRule } from '../options.js'
import { type AddressScope, hostScope } from './address-scope.js'
import { type IceUrl, parseIceUrl } from './ice-url.js'

/** Most ICE servers taken from a hub, and most addresses of each. */
export const maxIceServers = 4

/** An ICE server as RTCIceServer. */
export interface IceServerShape {
  readonly urls: string | readonly string[]
  readonly username?: string
  readonly credential?: string
}

/** Every address of the servers that can be read. */
export function iceUrlsOf(servers: readonly IceServerShape[]): readonly IceUrl[] {
  return servers
    .flatMap(({ urls }) => urls)
    .map(parseIceUrl)
    .filter(url => url !== undefined)
}

/** Longest URL, user name and credential, in characters. */
const maxTextLength = 512

/** Whether a value is the address of an ICE server: `stun:`, `stuns:`, `turn:` or `turns:`, and a host that is one. */
export function isIceUrl(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > maxTextLength) return false
  const host = parseIceUrl(value)?.host
  return host !== undefined && hostScope(host) !== undefined
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= maxTextLength && !/\p{Cc}/u.test(value)
}

/** Whether a value is an ICE server: one to four addresses, and both of user name and credential, or neither. */
export function isIceServer(value: unknown): value is IceServerShape {
  if (typeof value !== 'object' || value === null) return false
  const { urls, username, credential } = value as Record<string, unknown>
  const list: readonly unknown[] = Array.isArray(urls) ? urls : [urls]
  if (list.length === 0 || list.length > maxIceServers || !list.every(isIceUrl)) return false
  return (username === undefined && credential === undefined) || (isText(username) && isText(credential))
}

/** A list of ICE servers as an option, at most four: nobody takes more of them. */
export const iceServerList: OptionRule = {
  allows: value => Array.isArray(value) && value.length <= maxIceServers && value.every(isIceServer),
  text: `must be at most ${maxIceServers} servers {urls, username?, credential?}, urls like stun:stun.example or turn:turn.example:3478?transport=udp`,
}

/** The addresses of one TURN service. */
export const turnUrls: OptionRule = {
  allows: value => {
    const urls: readonly unknown[] = Array.isArray(value) ? value : []
    const isTurn = (url: unknown): boolean => isIceUrl(url) && parseIceUrl(url)!.scheme === 'turn'
    return urls.length > 0 && urls.length <= maxIceServers && urls.every(isTurn)
  },
  text: `must be one to ${maxIceServers} addresses like turn:turn.example:3478?transport=udp or turns:turn.example`,
}

/**
 * Whether a hub may have its peers send to that host. A hub inside a network names what is inside it; one on this machine, anything; one
 * that everybody reaches names what everybody reaches, or it could aim its peers at their own routers.
 */
function mayName(host: AddressScope | undefined, hub: AddressScope): boolean {
  if (host === undefined || host === 'unusable') return false
  if (host === 'public' || host === hub || hub === 'loopback') return true
  return host !== 'loopback' && (hub === 'private' || hub === 'link-local')
}

/**
 * The servers of a hub's list that have the right shape and are in its reach, at most four. Of a server, addresses that are not are
 * left out.
 *
 * @param hub how far the address of the hub itself reaches.
 */
export function parseIceServers(value: unknown, hub: AddressScope): readonly IceServerShape[] {
  if (!Array.isArray(value)) return []
  return value
    .slice(0, 64)
    .flatMap((item: unknown): IceServerShape[] => {
      if (!isIceServer(item)) return []
      const { username, credential } = item
      const urls = [item.urls].flat().filter(url => mayName(hostScope(parseIceUrl(url)!.host), hub))
      if (urls.length === 0) return []
      return [username === undefined || credential === undefined ? { urls } : { urls, username, credential }]
    })
    .slice(0, maxIceServers)
}
