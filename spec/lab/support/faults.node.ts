/** What happens to a home's network while it is used. */
import { spawnSync } from 'node:child_process'
import { hubAddress, type Lab } from './lab.node.js'

export interface Faults {
  /** The host's router drops whatever would pass it, both ways, and says nothing. */
  cut(host: string): void
  /** The same, of datagrams between that router and the one of another host. */
  part(host: string, other: string): void
  /** It passes everything again. */
  mend(host: string): void
  /** The host finds itself in another network, as a laptop does: it has another address there, and its router one outside. Once. */
  move(host: string): void
  /** The host's router has another address outside, as after a night at some providers. The host hears nothing of it. Once. */
  renumber(host: string): void
}

/** @param hosts those of the lab, in their order there. */
export function faultsIn(lab: Lab, hosts: readonly string[]): Faults {
  const run = (script: string): void => {
    const [command, ...prefix] = lab.within()
    const { status, stderr } = spawnSync(command!, [...prefix, 'sh', '-eu'], { input: script, encoding: 'utf8' })
    if (status !== 0) throw new Error(`the network could not be changed: ${stderr}`)
  }
  const indexOf = (host: string): number => hosts.indexOf(host) + 1
  const drop = (host: string, what: string): void =>
    run(`ip netns exec ${host}-router nft -f - <<'RULES'
table inet outage {
  chain through {
    type filter hook forward priority -10; policy accept;
    ${what} drop
  }
}
RULES`)
  return {
    cut: host => drop(host, ''),
    part: (host, other) =>
      drop(
        host,
        `meta l4proto udp ip daddr 203.0.113.${10 + indexOf(other)} drop; meta l4proto udp ip saddr 203.0.113.${10 + indexOf(other)}`,
      ),
    mend: host => run(`ip netns exec ${host}-router nft delete table inet outage`),
    renumber(host) {
      const router = `${host}-router`
      run(`
ip -n ${router} addr flush dev wan
ip -n ${router} addr add 203.0.113.${150 + indexOf(host)}/24 dev wan
ip -n ${router} route add ${hubAddress} dev wan`)
    },
    move(host) {
      const router = `${host}-router`
      const index = indexOf(host)
      run(`
ip -n ${host} addr flush dev lan
ip -n ${router} addr flush dev lan
ip -n ${router} addr flush dev wan
ip -n ${router} addr add 203.0.113.${100 + index}/24 dev wan
ip -n ${router} route add ${hubAddress} dev wan
ip -n ${router} addr add 10.${index}.1.1/24 dev lan
ip -n ${host} addr add 10.${index}.1.2/24 dev lan
ip -n ${host} route add default via 10.${index}.1.1`)
    },
  }
}
