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

/** Resolves when no kind has more than `before`; what is closed leaves a turn or more later. The test's own limit ends it. */
export async function backTo(before: Readonly<Record<string, number>>): Promise<void> {
  const more = (): boolean => Object.entries(resources()).some(([kind, count]) => count > (before[kind] ?? 0))
  while (more()) await delay(5)
}
