import ipaddr from 'ipaddr.js'

/** What one household has of IPv6, in bytes: whoever holds one address of it holds all. */
const prefixBytes = 7

/** What an address is counted under: itself, or its /56 with IPv6. */
export function addressKey(address: string): string {
  if (!ipaddr.isValid(address)) return address
  const parsed = ipaddr.process(address)
  if (parsed.kind() === 'ipv4') return parsed.toString()
  return `${Buffer.from(parsed.toByteArray().slice(0, prefixBytes)).toString('hex')}/56`
}
