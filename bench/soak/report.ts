/** What a soak prints at its end. */
import { growthOf, lowest, type MemorySample } from './growth.js'
import type { Restartable } from './programs.js'
import type { Outcome } from './reader.child.js'
import type { Line } from '../../spec/support/cli-program.node.js'

/** Most that memory may grow in an hour, beyond what the samples leave uncertain and what still fills up. */
const maxMbPerHour = 1

/** What has a bound and may not have reached it after the warm-up, in MB: the settlements that a peer remembers (2), and all else. */
const boundedMb = 3

const isMemory = ({ type }: Line): boolean => type === 'memory'

/** What the program has written about its memory since it was started. */
const memoryOf = (target: Restartable): readonly MemorySample[] =>
  target.program().lines(isMemory) as unknown as readonly MemorySample[]

export function showOutcomes(outcomes: readonly Outcome[]): void {
  process.stdout.write('\nreader     complete  refused  broken  wrong       MB   longest gap\n')
  for (const kind of ['film', 'range', 'service', 'rotation'] as const) {
    const own = outcomes.filter(outcome => outcome.kind === kind)
    const count = (result: Outcome['result']): string => String(own.filter(each => each.result === result).length)
    const mb = own.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6
    const gap = Math.max(
      0,
      ...own.filter(({ result }) => result === 'complete').map(({ longestGapMs }) => longestGapMs),
    )
    process.stdout.write(
      `${kind.padEnd(10)}${count('complete').padStart(9)}${count('refused').padStart(9)}${count('broken').padStart(8)}${count('wrong').padStart(7)}${mb.toFixed(0).padStart(9)}${`${(gap / 1000).toFixed(1)} s`.padStart(14)}\n`,
    )
  }
  const reasons = new Map<string, number>()
  for (const { kind, result, detail } of outcomes) {
    const name = `${kind} ${result}: ${detail}`
    if (result !== 'complete') reasons.set(name, (reasons.get(name) ?? 0) + 1)
  }
  for (const [name, count] of reasons) process.stdout.write(`  ${count} × ${name}\n`)
}

/** Shows how memory grew after a warm-up, and says where it grew too much. */
export function judgeMemory(targets: readonly Restartable[], warmUp: number): readonly string[] {
  process.stdout.write('\nmemory     samples   in use, growth an hour      resident, growth an hour\n')
  return targets.flatMap(target => {
    const all = memoryOf(target)
    const samples = lowest(all.slice(Math.floor(all.length * warmUp)), 6)
    if (samples.length < 3) {
      process.stdout.write(`${target.name.padEnd(11)}${all.length} samples are too few\n`)
      return []
    }
    const [heap, resident] = [growthOf(samples, 'heapUsed'), growthOf(samples, 'rss')]
    const text = ({ mbPerHour, error }: typeof heap): string => `${mbPerHour.toFixed(1)} ± ${error.toFixed(1)} MB`
    const now = samples.at(-1)!
    process.stdout.write(
      `${target.name.padEnd(11)}${String(all.length).padStart(7)}   ${(now.heapUsed / 1e6).toFixed(1)} MB, ${text(heap).padEnd(18)} ${(now.rss / 1e6).toFixed(0)} MB, ${text(resident)}\n`,
    )
    const hours = (now.atMs - samples[0]!.atMs) / 3_600_000
    const isGrowing = (heap.mbPerHour - 2 * heap.error - maxMbPerHour) * hours > boundedMb
    return isGrowing ? [`${target.name} grows by ${text(heap)} an hour`] : []
  })
}
