/**
 * What a spec may need beyond Node, how it is found, and what happens when it is missing: the spec is skipped with its
 * reason in the output, or fails where everything has to be there (`CI=true` or `LIGHTHOUSE_REQUIRE_ALL=1`).
 */
import { describe, it } from '@jest/globals'
import { accessSync, constants, readdirSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

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

/** True for a regular file that this user may execute. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** Path of the first of these programs that a folder of the search path holds. */
export function findProgram(
  names: readonly string[],
  searchPath: string = process.env['PATH'] ?? '',
  found: (path: string) => boolean = isExecutable,
): string | undefined {
  const folders = searchPath.split(delimiter).filter(folder => folder !== '')
  return names.flatMap(name => folders.map(folder => join(folder, name))).find(found)
}

/** Path of a Chromium or Chrome; `LIGHTHOUSE_CHROMIUM` names one elsewhere. */
export function findChromium(): string | undefined {
  return (
    process.env['LIGHTHOUSE_CHROMIUM'] ??
    findProgram(['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'])
  )
}

export function hasChromium(): boolean {
  return findChromium() !== undefined
}

/** Where Debian's golang-github-xtaci-smux-dev puts the sources: below a GOPATH. */
export const GO_PATH = '/usr/share/gocode'
const SMUX_SOURCES = join(GO_PATH, 'src/github.com/xtaci/smux')

/** Path of the Go toolchain. Debian's own wins over others, its packages belong to it. */
export function findGo(): string | undefined {
  return findProgram(['go'], ['/usr/bin', process.env['PATH'] ?? '', '/usr/local/go/bin'].join(delimiter))
}

/** A Go toolchain and the sources of xtaci/smux. */
export function hasGoSmux(): boolean {
  return findGo() !== undefined && entries(SMUX_SOURCES).includes('session.go')
}

/** Folder that holds `initdb` and `postgres`; Debian keeps them off the search path. */
export function findPostgres(): string | undefined {
  const debian = entries('/usr/lib/postgresql').map(version => join('/usr/lib/postgresql', version, 'bin'))
  return findProgram(['initdb'], [...debian, process.env['PATH'] ?? ''].join(delimiter))?.replace(/.initdb$/, '')
}

export function findRedis(): string | undefined {
  return findProgram(['redis-server'])
}

export function findCoturn(): string | undefined {
  return findProgram(['turnserver'])
}

function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder).toSorted()
  } catch {
    return []
  }
}
