/** The programs of a soak, which end only when they are told to. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type CliProgram, type Line, startCli } from '../../spec/support/cli-program.node.js'
import type { Host, World } from './world.js'

const preload = new URL('./memory.preload.js', import.meta.url).href

/** What of a log nobody expects. */
const unexpected =
  /^\s+at .+:\d+:\d+|uncaught|unhandled|"code":"internal"|FATAL ERROR|ExperimentalWarning|DeprecationWarning/i

/** How long a program that is stopped may take to end. */
const endLimitMs = 30_000

/** A program that can be ended and started again. */
export interface Restartable {
  readonly name: string
  readonly host: Host | undefined
  /** The one that runs now. */
  program(): CliProgram
  start(): Promise<void>
  kill(): Promise<void>
  /** As Ctrl-C does. */
  stop(): Promise<void>
  pause(): void
  resume(): void
}

export interface Programs {
  /** Everything that ended by itself, or logged what it should not. */
  readonly problems: readonly string[]
  add(name: string, host: Host | undefined, argv: readonly string[], isUp: (line: Line) => boolean): Restartable
  /** Runs a command to its end. Its lines in JSON. */
  run(
    host: Host | undefined,
    ...argv: readonly string[]
  ): Promise<{ readonly code: number | string; readonly lines: readonly Line[]; readonly err: string }>
  /** Starts another program of the soak, with a channel to it. */
  fork(host: Host, file: string): ChildProcess
  end(): Promise<void>
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await once(server.close(), 'close')
  return port
}

export function startPrograms(world: World, folder: string): Programs {
  const all: Restartable[] = []
  const children: ChildProcess[] = []
  const problems: string[] = []
  const note = (name: string, err: string): void => {
    const lines = err.split('\n')
    const at = lines.findIndex(line => unexpected.test(line))
    if (at >= 0)
      problems.push(
        `${name} logged: ${lines
          .slice(Math.max(0, at - 1), at + 3)
          .join(' ⏎ ')
          .slice(0, 600)}`,
      )
  }
  return {
    problems,
    add(name, host, argv, isUp) {
      let running: CliProgram | undefined
      let isEnding = false
      const end = async (how: (program: CliProgram) => Promise<void>): Promise<void> => {
        isEnding = true
        const program = running!
        await how(program)
      }
      const made: Restartable = {
        name,
        host,
        program: () => running!,
        async start() {
          isEnding = false
          const environment = { ...world.environment, NODE_OPTIONS: `--import=${preload}` }
          const program = startCli(argv, folder, environment, world.within(host))
          running = program
          void program.ended.then(({ code, err }) => {
            note(name, err)
            if (!isEnding) problems.push(`${name} ended by itself (${code}): ${err.slice(-600)}`)
          })
          await program.line(isUp)
        },
        kill: () => end(program => program.kill()),
        stop: () =>
          end(async program => {
            const timer = setTimeout(() => {
              problems.push(`${name} did not end within ${endLimitMs / 1000} s`)
              process.kill(program.pid, 'SIGKILL')
            }, endLimitMs)
            await program.end('SIGTERM')
            clearTimeout(timer)
            const { code } = await program.ended
            if (code !== 0) problems.push(`${name} ended with ${code} when it was stopped`)
          }),
        pause: () => process.kill(running!.pid, 'SIGSTOP'),
        resume: () => process.kill(running!.pid, 'SIGCONT'),
      }
      all.push(made)
      return made
    },
    async run(host, ...argv) {
      const program = startCli(argv, folder, world.environment, world.within(host))
      const { code, err } = await program.ended
      return { code, err, lines: program.lines(() => true) }
    },
    fork(host, file) {
      const [command, ...prefix] = [...world.within(host), process.execPath]
      const path = fileURLToPath(new URL(file, import.meta.url))
      const child = fork(path, {
        execPath: command,
        execArgv: [...prefix],
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      })
      children.push(child)
      return child
    },
    async end() {
      for (const child of children) if (child.connected) child.disconnect()
      // The hub last, so that everybody can say what is left to say.
      for (const program of all.toReversed()) await program.stop()
    },
  }
}

/** A peer's home. */
export const homeOf = (folder: string, nickname: string): string => join(folder, nickname)
