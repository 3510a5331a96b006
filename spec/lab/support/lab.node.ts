/**
 * A small internet in network namespaces: hosts behind routers with NAT, and a public network between them. Nothing in it has
 * a route to this machine's networks. It lives in a mount and a network namespace of its own, so the kernel removes it with
 * the last process in it. Needs root, or user namespaces.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { delimiter } from 'node:path'
import { findProgram } from '../../support/programs.node.js'

/**
 * What a router does. `cone`: one port outside for each inside, whoever is talked to, and only who was talked to gets in.
 * `symmetric`: another port for everybody who is talked to. `blocked`: like `cone`, but no UDP.
 * `strict`: like that, and TCP to nothing but the hub and the ports of TLS, 443 and 5349.
 */
export type Nat = 'cone' | 'symmetric' | 'blocked' | 'strict'

/** Addresses of the public network. The second one is private: a peer speaks plain HTTP only to a hub at such an address. */
export const publicAddress = '203.0.113.1'
export const hubAddress = '10.200.0.1'

/** The name of the first one. */
export const publicName = 'turn.lab.example'

const publicNetwork = 'public'

/** The lines between routers and the public network, each with a plug at either end: `in-N` and `out-N` of the Nth host. */
export const linesNetwork = 'lines'

export interface Lab {
  /** What comes before a command so that it runs on that host, or in the public network without one. */
  within(host?: string): readonly string[]
  /** Ends it. The processes in it have to be ended before. */
  close(): Promise<void>
}

const isRoot = process.getuid?.() === 0
const unshareFlags = isRoot ? ['--net', '--mount'] : ['--user', '--map-root-user', '--net', '--mount']
const nsenterFlags = isRoot ? ['--net', '--mount'] : ['--user', '--preserve-credentials', '--net', '--mount']

/** Debian has some of the programs where ordinary users do not look. */
export const searchPath = [process.env['PATH'] ?? '', '/usr/sbin', '/sbin'].join(delimiter)
const pathTo = (name: string): string | undefined => findProgram([name], searchPath)

/** Why there can be no lab on this machine, undefined when there can. */
export function labObstacle(): string | undefined {
  const missing = ['unshare', 'nsenter', 'ip', 'nft', 'turnserver', 'openssl'].filter(
    name => pathTo(name) === undefined,
  )
  if (missing.length > 0) return `needs ${missing.join(', ')}`
  const { status } = spawnSync(pathTo('unshare')!, [...unshareFlags, 'mount', '-t', 'tmpfs', 'none', '/run'])
  return status === 0 ? undefined : 'needs network namespaces: root, or "unshare --user --net --mount"'
}

/** The router's rules. Unasked-for datagrams are dropped: else conntrack takes their port, and the next one gets another. */
function rulesOf(nat: Nat): string {
  return `
table ip nat {
  chain post { type nat hook postrouting priority 100; oifname "wan" masquerade ${nat === 'symmetric' ? 'fully-random' : ''}; }
}
table inet filter {
  chain to_router {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    iifname { "lo", "lan" } accept
  }
  chain through {
    type filter hook forward priority 0; policy drop;
    ${nat === 'blocked' || nat === 'strict' ? 'meta l4proto udp drop' : ''}
    ${nat === 'strict' ? `iifname "lan" ip daddr != ${hubAddress} tcp dport != { 443, 5349 } drop` : ''}
    ct state established,related accept
    iifname "lan" accept
  }
}`
}

/** Commands that make the public network, and that make a host behind its router. */
const publicCommands = `
ip netns add ${publicNetwork}
ip -n ${publicNetwork} link set lo up
ip -n ${publicNetwork} link add bridge type bridge
ip -n ${publicNetwork} link set bridge up
ip -n ${publicNetwork} addr add ${publicAddress}/24 dev bridge
ip -n ${publicNetwork} addr add ${hubAddress}/32 dev bridge
ip netns add ${linesNetwork}
ip netns exec ${linesNetwork} sh -c 'echo 1 | tee /proc/sys/net/ipv6/conf/*/disable_ipv6'`

function hostCommands(host: string, nat: Nat, index: number): string {
  const router = `${host}-router`
  return `
ip netns add ${host}
ip netns add ${router}
ip -n ${host} link set lo up
ip -n ${router} link set lo up
ip -n ${host} link add lan type veth peer name lan netns ${router}
ip -n ${host} addr add 10.${index}.0.2/24 dev lan
ip -n ${host} link set lan up
ip -n ${router} addr add 10.${index}.0.1/24 dev lan
ip -n ${router} link set lan up
ip -n ${host} route add default via 10.${index}.0.1
ip -n ${router} link add wan type veth peer name in-${index} netns ${linesNetwork}
ip -n ${linesNetwork} link add out-${index} type veth peer name to-${index} netns ${publicNetwork}
ip -n ${linesNetwork} link add line-${index} type bridge
for plug in in out; do ip -n ${linesNetwork} link set $plug-${index} up master line-${index}; done
ip -n ${linesNetwork} link set line-${index} up
ip -n ${router} addr add 203.0.113.${10 + index}/24 dev wan
ip -n ${router} link set wan up
ip -n ${router} route add ${hubAddress} dev wan
ip -n ${publicNetwork} link set to-${index} master bridge up
ip netns exec ${router} sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
ip netns exec ${router} nft -f - <<'RULES'
${rulesOf(nat)}
RULES`
}

/** Keeps the lab. Its names are seen in it alone. */
const holderScript = `
mount -t tmpfs none /run
mkdir /run/netns
printf '%s\\n' '127.0.0.1 localhost' '${publicAddress} ${publicName}' >/run/hosts
mount --bind /run/hosts /etc/hosts
echo ready
exec cat`

/** Opens a lab with these hosts. */
export async function openLab(hosts: Readonly<Record<string, Nat>>): Promise<Lab> {
  // Its standard input ends with this process, and so does it.
  const holder: ChildProcess = spawn(pathTo('unshare')!, [...unshareFlags, 'sh', '-euc', holderScript], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(holder.stdout!, 'data')
  const inside = [pathTo('nsenter')!, `--target=${holder.pid}`, ...nsenterFlags]
  const script = [publicCommands, ...Object.entries(hosts).map(([host, nat], at) => hostCommands(host, nat, at + 1))]
  const made = spawnSync(inside[0]!, [...inside.slice(1), 'sh', '-eu'], {
    input: script.join('\n'),
    encoding: 'utf8',
    env: { PATH: searchPath },
  })
  if (made.status !== 0) {
    holder.stdin!.end()
    throw new Error(`the lab cannot be made: ${made.stderr}`)
  }
  return {
    within: (host = publicNetwork) => [...inside, pathTo('ip')!, 'netns', 'exec', host],
    async close() {
      const exit = once(holder, 'exit')
      holder.stdin!.end()
      await exit
    },
  }
}
