/** What goes wrong during a soak, one thing after the other, by a seed. */
import { setTimeout as wait } from 'node:timers/promises'
import { random } from '../../spec/support/random.js'
import type { Restartable } from './programs.js'
import type { Host, World } from './world.js'

export interface Targets {
  readonly world: World
  readonly hub: Restartable
  readonly consumer: Restartable
  readonly seeders: readonly Restartable[]
}

interface Fault {
  readonly name: string
  readonly weight: number
  run(ms: number, seeder: Restartable): Promise<void>
}

async function away(target: Restartable, ms: number): Promise<void> {
  await target.kill()
  await wait(ms)
  await target.start()
}

async function stopped(target: Restartable, ms: number): Promise<void> {
  target.pause()
  await wait(ms)
  target.resume()
}

function faultsOf({ world, hub, consumer }: Targets, mayKillHub: () => boolean): readonly Fault[] {
  const disturbed = async (host: Host, how: 'cut' | 'lossy', ms: number): Promise<void> => {
    world.disturb(host, how)
    await wait(ms)
    world.calm(host)
  }
  const everywhere: readonly Fault[] = [
    { name: 'seeder killed', weight: 3, run: (ms, seeder) => away(seeder, ms / 2) },
    { name: 'seeder stopped', weight: 2, run: (ms, seeder) => stopped(seeder, ms) },
    { name: 'consumer stopped', weight: 1, run: ms => stopped(consumer, ms / 3) },
    { name: 'hub away', weight: 2, run: ms => (mayKillHub() ? away(hub, 1.5 * ms) : stopped(hub, 1.5 * ms)) },
  ]
  if (world.obstacle !== undefined) return everywhere
  return [
    ...everywhere,
    { name: 'network cut', weight: 2, run: (ms, { host }) => disturbed(host ?? 'alice', 'cut', ms) },
    { name: 'network lossy', weight: 2, run: ms => disturbed('alice', 'lossy', ms) },
    { name: 'relay restarted', weight: 1, run: () => world.restartTurn() },
  ]
}

/**
 * Lets things go wrong until the time is over, and leaves everything running. Each lasts 5 to 20 s, with as long a rest.
 *
 * @param hubKillsUntilMs the hub is killed before, and stopped after: a process that is new each time shows no growth.
 */
export async function disturb(
  targets: Targets,
  { seed, forMs, hubKillsForMs }: { readonly seed: number; readonly forMs: number; readonly hubKillsForMs: number },
  say: (text: string) => void,
): Promise<ReadonlyMap<string, number>> {
  const chance = random(seed)
  const startedAt = performance.now()
  const elapsed = (): number => performance.now() - startedAt
  const faults = faultsOf(targets, () => elapsed() < hubKillsForMs)
  const weights = faults.reduce((sum, { weight }) => sum + weight, 0)
  const counts = new Map<string, number>()
  while (elapsed() < forMs) {
    let left = chance() * weights
    const fault = faults.find(({ weight }) => (left -= weight) < 0) ?? faults[0]!
    const seeder = targets.seeders[Math.floor(chance() * targets.seeders.length)]!
    const ms = 5_000 + 15_000 * chance()
    say(`${Math.round(elapsed() / 1000)} s: ${fault.name}, ${seeder.name}, ${Math.round(ms / 1000)} s`)
    counts.set(fault.name, (counts.get(fault.name) ?? 0) + 1)
    await fault.run(ms, seeder)
    await wait(2_000 + 8_000 * chance())
  }
  return counts
}
