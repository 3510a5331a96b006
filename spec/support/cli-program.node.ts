/** The command line as people run it. Nothing of jest here, so that anything can start it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { filter, firstValueFrom, ReplaySubject } from 'rxjs'

/** One line that a program prints under `--json`. */
export type Line = Readonly<Record<string, unknown>>

/** The command line in a process of its own. */
export interface CliProgram {
  readonly pid: number
  /** The first line that fits, past or to come; rejects when the program ends without one, with what it wrote to stderr. */
  line(fits: (line: Line) => boolean): Promise<Line>
  /** Every line that fits, from the start. */
  lines(fits: (line: Line) => boolean): readonly Line[]
  /** Resolves once it is gone. */
  readonly ended: Promise<{ readonly code: number | string; readonly err: string }>
  /** Signals it, and resolves once it is gone. */
  end(signal: NodeJS.Signals): Promise<void>
  /** SIGKILL in the middle of its work. Rejects when it had ended by itself before. */
  kill(): Promise<void>
}

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

/** The environment without what would change how our programs behave. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !/^(LIGHTHOUSE_|NODE_OPTIONS$)/.test(name))
  return Object.fromEntries(entries)
}

/**
 * Starts the command line. It has a channel to us, so that it ends when this process is killed. `through` comes before it: a
 * program that becomes the one that is named after it.
 */
export function startCli(
  argv: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
  through: readonly string[] = [],
): CliProgram {
  const [program, ...args] = [...through, process.execPath, main, ...argv]
  const child: ChildProcess = spawn(program!, args, {
    cwd,
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const line$ = new ReplaySubject<Line>()
  const seen: Line[] = []
  let err = ''
  createInterface({ input: child.stdout! }).on('line', text => {
    if (!text.startsWith('{')) return
    const line = JSON.parse(text) as Line
    seen.push(line)
    line$.next(line)
  })
  child.stderr!.on('data', (chunk: Buffer) => {
    err += chunk.toString()
  })
  const ended = once(child, 'close').then(() => {
    line$.error(new Error(`"${argv.join(' ')}" ended (${child.exitCode ?? child.signalCode}): ${err}`))
    return { code: child.exitCode ?? child.signalCode ?? 'unknown', err }
  })
  return {
    pid: child.pid!,
    line: fits => firstValueFrom(line$.pipe(filter(fits))),
    lines: fits => seen.filter(fits),
    ended,
    async end(signal) {
      child.kill(signal)
      await ended
    },
    async kill() {
      child.kill('SIGKILL')
      const { code } = await ended
      if (code !== 'SIGKILL') throw new Error(`"${argv.join(' ')}" had ended before it was killed (${code}): ${err}`)
    },
  }
}
