import { getActiveResourcesInfo } from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'

/** What keeps this process alive, by kind. Pipes to the test runner come and go by themselves. */
export function resources(): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const kind of getActiveResourcesInfo()) {
    if (kind !== 'PipeWrap') counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

/** 5 ms apart and more, which is less than a test may take in all: so a failure says what is left. */
const maxLooks = 4_000

/** Resolves when no kind has more than `before`; what is closed leaves a turn or more later. */
export async function backTo(before: Readonly<Record<string, number>>): Promise<void> {
  const more = (): boolean => Object.entries(resources()).some(([kind, count]) => count > (before[kind] ?? 0))
  for (let looks = 0; more(); looks++) {
    if (looks === maxLooks)
      throw new Error(`${JSON.stringify(resources())} is left, ${JSON.stringify(before)} was there`)
    await delay(5)
  }
}
