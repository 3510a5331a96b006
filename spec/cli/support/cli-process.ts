import { afterEach } from '@jest/globals'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { ReplaySubject, filter, firstValueFrom } from 'rxjs'
import { accepts } from '../../support/service.node.js'

type Message = Record<string, unknown>

/** The command line in a process of its own. */
export interface CliProcess {
  readonly pid: number
  /** The first `--json` line that fits; rejects when the process ends without one. */
  message(fits: (message: Message) => boolean): Promise<Message>
  /** Resolves with the exit code (or the signal's name) and all output, once it is gone. */
  readonly ended: Promise<{ readonly code: number | string; readonly out: string; readonly err: string }>
  signal(signal: NodeJS.Signals): void
  /** Closes the pipes that it writes to. */
  stopReading(): void
}

const main = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url))

function start(argv: readonly string[], cwd: string, env: NodeJS.ProcessEnv): CliProcess {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(LIGHTHOUSE_|NODE_OPTIONS$)/.test(name))
  const child: ChildProcessByStdio<null, Readable, Readable> = spawn(process.execPath, [main, ...argv], {
    cwd,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const messages = new ReplaySubject<Message>()
  let out = ''
  let err = ''
  createInterface({ input: child.stdout }).on('line', line => {
    out += `${line}\n`
    if (line.startsWith('{')) messages.next(JSON.parse(line) as Message)
  })
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString()
  })
  const ended = once(child, 'close').then(() => {
    messages.complete()
    return { code: child.exitCode ?? child.signalCode ?? 'unknown', out, err }
  })
  return {
    pid: child.pid!,
    message: fits => firstValueFrom(messages.pipe(filter(fits))),
    ended,
    signal: signal => void child.kill(signal),
    stopReading() {
      child.stdout.destroy()
      child.stderr.destroy()
    },
  }
}

/** Starts processes of the command line; those that a test left are ended after it. */
export function cliProcesses(): (argv: readonly string[], cwd: string, env?: NodeJS.ProcessEnv) => CliProcess {
  const started: CliProcess[] = []
  afterEach(async () => {
    for (const one of started.splice(0)) {
      one.signal('SIGKILL')
      await one.ended
    }
  })
  return (argv, cwd, env = {}) => {
    const one = start(argv, cwd, env)
    started.push(one)
    return one
  }
}

/** Whether somebody listens on this loopback URL's port. */
export function isListening(url: string): Promise<boolean> {
  return accepts(Number(new URL(url).port))
}
