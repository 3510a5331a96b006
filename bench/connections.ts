/** How many signed-in connections one hub process holds, what each costs, and how soon signals arrive meanwhile. */
import type { Hub } from '../src/hub/app.js'
import type { Backends } from './backends.js'
import type { Community } from './community.js'
import type { HubMemory } from './hub.child.js'
import type { SendOptions } from './hub-clients.child.js'
import { type Latency, latencyOf } from './measure.js'
import { startChild } from './rpc.js'

export interface ConnectionsExtent {
  readonly connections: number
  readonly durationMs: number
}

/** Milliseconds: to the other peer, and until the sender has the hub's word that it was delivered. */
export interface SignalLatency {
  readonly arrival: Latency
  readonly acknowledged: Latency
}

export interface ConnectionsResult {
  readonly connections: number
  readonly signInsPerSecond: number
  readonly residentBytesEach: number
  readonly heapBytesEach: number
  readonly signalsPerSecond: number
  readonly candidates: SignalLatency
  /** Each of these is a row in the database before it is forwarded. */
  readonly offers: SignalLatency
  /** Share of one core that the hub took while candidates were sent. */
  readonly hubCore: number
  /** The longest time for which the hub's event loop did not turn meanwhile, in milliseconds. */
  readonly hubStallMs: number
}

const signalsPerSecond = 200
const clientProcesses = 2

/** So that what the first signals compile is not measured. */
const warmUpMs = 1000

export async function measureConnections(backends: Backends, extent: ConnectionsExtent): Promise<ConnectionsResult> {
  const { connections, durationMs } = extent
  const database = await backends.all[0]!.create()
  const store = startChild('store.child.js', {})
  await store.call('open', database)
  const { accounts } = await store.call<Community>('populate', { accounts: connections, sessions: 0 })
  await store.call('close')
  await store.stop()

  const hub = startChild('hub.child.js', {}, { execArgv: ['--expose-gc'] })
  const clients = Array.from({ length: clientProcesses }, () => startChild('hub-clients.child.js', {}))
  try {
    const { url } = await hub.call<Hub>('start', { database })
    const shares = clients.map((_, part) => accounts.filter((_account, index) => index % clientProcesses === part))
    // One by each first: what the hub loads and compiles for any is not a matter of how many there are.
    const signIn = (from: number, to?: number): Promise<readonly number[]> =>
      Promise.all(
        clients.map((client, part) => client.call<number>('signIn', { url, accounts: shares[part]!.slice(from, to) })),
      )
    await signIn(0, 10)
    const before = await hub.call<HubMemory>('memory')
    const took = await signIn(10)
    const after = await hub.call<HubMemory>('memory')
    const connected = await Promise.all(clients.map(client => client.call<number>('connected')))
    const held = connected.reduce((sum, count) => sum + count, 0)
    if (held !== connections) throw new Error(`${held} of ${connections} connections are there`)
    const counted = connections - 10 * clientProcesses

    const latencies = async (type: SendOptions['type'], milliseconds: number = durationMs): Promise<SignalLatency> => {
      const waits = await Promise.all(
        clients.map((client, part) => {
          const others = shares[(part + 1) % clientProcesses]!
          const pairs = shares[part]!.map(({ pubKey }, index) => [pubKey, others[index % others.length]!.pubKey])
          return client.call<number[]>('send', {
            ...{ type, pairs, durationMs: milliseconds },
            perSecond: signalsPerSecond / clientProcesses,
          })
        }),
      )
      const arrivals = await Promise.all(clients.map(client => client.call<number[]>('arrivals')))
      return { arrival: latencyOf(arrivals.flat()), acknowledged: latencyOf(waits.flat()) }
    }
    await latencies('candidate', warmUpMs)
    await hub.call('stalled')
    const cpuBefore = await hub.call<number>('cpu')
    const start = performance.now()
    const candidates = await latencies('candidate')
    const hubCore = ((await hub.call<number>('cpu')) - cpuBefore) / (performance.now() - start)
    const hubStallMs = await hub.call<number>('stalled')
    const offers = await latencies('offer')
    return {
      ...{ connections, signalsPerSecond, candidates, offers, hubCore, hubStallMs },
      signInsPerSecond: (counted / Math.max(...took)) * 1000,
      residentBytesEach: (after.residentBytes - before.residentBytes) / counted,
      heapBytesEach: (after.heapBytes - before.heapBytes) / counted,
    }
  } finally {
    await Promise.all([hub.stop(), ...clients.map(client => client.stop())])
  }
}
