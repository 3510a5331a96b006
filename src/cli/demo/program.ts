import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { type Observable, ReplaySubject, firstValueFrom, fromEvent, map, merge } from 'rxjs'

/** How many lines of a program's stderr are kept, to be shown when it dies. */
const keptErrorLines = 8

/** How many messages are kept for a late subscriber; a start takes fewer than ten. */
const keptMessages = 100

/** After this long a program that was asked to end is ended. */
const stopLimitMs = 8_000

/** One `--json` line of a program. */
export type Message = Readonly<Record<string, unknown>>

/** How a program ended, in words: `exit code 1`, `SIGKILL`. */
export type Ending = string

/** A program that this one started. */
export interface Program {
  readonly name: string
  /** What it says on stdout, from the start (the newest 100); completes when it ended. */
  readonly message$: Observable<Message>
  /** Resolves when it is gone and all its output was read. */
  readonly ended: Promise<Ending>
  /** The last lines it wrote to stderr. */
  errorLines(): readonly string[]
  /** Asks it to end, insists after eight seconds, and resolves when it is gone. */
  stop(): Promise<void>
}

function parseMessage(text: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Message) : undefined
  } catch {
    // Not one of ours: libraries write to stdout when they please.
    return undefined
  }
}

function endingOf(child: ChildProcess): Promise<Ending> {
  const failed$ = fromEvent(child, 'error').pipe(map(error => (error as Error).message))
  const closed$ = fromEvent(child, 'close').pipe(map(() => child.signalCode ?? `exit code ${String(child.exitCode)}`))
  return firstValueFrom(merge(failed$, closed$))
}

/**
 * Starts this very program once more with other arguments. It is in a process group of its own, so that a Ctrl-C
 * reaches it through us only, and it holds a channel to us, so that it ends when we are killed.
 */
export function startProgram(name: string, entry: string, args: readonly string[], env: NodeJS.ProcessEnv): Program {
  const child = spawn(process.execPath, [entry, ...args], {
    env,
    detached: true,
    windowsHide: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const messages = new ReplaySubject<Message>(keptMessages)
  const errors: string[] = []
  createInterface({ input: child.stdout! }).on('line', text => {
    const message = parseMessage(text)
    if (message !== undefined) messages.next(message)
  })
  createInterface({ input: child.stderr! }).on('line', text => {
    errors.push(text.slice(0, 500))
    if (errors.length > keptErrorLines) errors.shift()
  })
  const ended = endingOf(child)
  void ended.then(() => messages.complete())
  return {
    name,
    message$: messages.asObservable(),
    ended,
    errorLines: () => errors,
    async stop() {
      child.kill('SIGTERM')
      const insist = setTimeout(() => child.kill('SIGKILL'), stopLimitMs)
      await ended
      clearTimeout(insist)
    },
  }
}
