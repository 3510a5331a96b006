/**
 * What a spec may need beyond Node, and what happens when it is missing: the spec is skipped with its reason in the output,
 * or fails where everything has to be there (`CI=true` or `LIGHTHOUSE_REQUIRE_ALL=1`).
 */
import { describe, it } from '@jest/globals'

export {
  findChromium,
  findCoturn,
  findGo,
  findPostgres,
  findProgram,
  findRedis,
  findStrace,
  hasChromium,
  hasGoSmux,
  isExecutable,
} from './programs.node.js'

/** Between a suite's name and the reason why it is skipped; the closing reporter looks for it. */
export const SKIP_MARK = ' ⏭ skipped: '

type Environment = Readonly<Record<string, string | undefined>>

/** True where a missing requirement is a failure. */
export function mustHaveAll(environment: Environment): boolean {
  return environment['CI'] === 'true' || environment['LIGHTHOUSE_REQUIRE_ALL'] === '1'
}

/** What becomes of a suite with this requirement. */
export function verdict(met: boolean, environment: Environment): 'run' | 'skip' | 'fail' {
  if (met) return 'run'
  return mustHaveAll(environment) ? 'fail' : 'skip'
}

/**
 * `describe` with a requirement: `describeIf(hasGoSmux(), 'needs Go and xtaci/smux')('against Go', () => { … })`.
 * A condition that is a path counts as met when it is not empty.
 */
export function describeIf(
  condition: boolean | string | undefined,
  reason: string,
  environment: Environment = process.env,
): (name: string, suite: () => void) => void {
  const decided = verdict(condition !== undefined && condition !== false && condition !== '', environment)
  return (name, suite) => {
    if (decided === 'run') {
      describe(name, suite)
    } else if (decided === 'skip') {
      describe.skip(`${name}${SKIP_MARK}${reason}`, suite)
    } else {
      describe(name, () => {
        it('has what it needs', () => {
          throw new Error(`${reason}; nothing may be skipped here (CI or LIGHTHOUSE_REQUIRE_ALL is set)`)
        })
      })
    }
  }
}
