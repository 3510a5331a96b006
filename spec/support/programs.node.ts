/**
 * Where the programs are that specs and benches may use beyond Node. Nothing of jest here, so that anything can ask.
 */
import { accessSync, constants, readdirSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

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

/** Path of strace, which shows the system calls of a process. */
export function findStrace(): string | undefined {
  return findProgram(['strace'])
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
