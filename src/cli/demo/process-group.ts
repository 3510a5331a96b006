import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { firstValueFrom, fromEvent, map, merge, type Observable, ReplaySubject } from 'rxjs'
import { parseMembers } from '../../protocol/json.js'
import { CommandFailure } from '../failure.js'

/** How many lines of a program's stderr are kept, to be shown when it dies. */
const keptErrorLines = 8

/** How many messages are kept for a late subscriber; a start takes fewer than ten. */
const keptMessages = 100

/** After this long a program that was asked to end is ended. */
const stopLimitMs = 8_000

/** One `--json` line of a program. Empty for what is not one: libraries write to stdout when they please. */
export type Message = Readonly<Record<string, unknown>>

/** A program that this one started. */
export interface Program {
  readonly name: string
  /** Its messages on stdout, from the start (the newest 100); completes when it has ended. */
  readonly message$: Observable<Message>
  /** Resolves when it is gone and all its output was read, with how it ended: `exit code 1`, `SIGKILL`. */
  readonly ended: Promise<string>
  /** The last lines it wrote to stderr. */
  errorLines(): readonly string[]
}

/** A program of the demo that ended when it should not have. */
export interface ExitedProcess {
  readonly program: Program
  readonly ending: string
}

interface Member extends Program {
  readonly child: ChildProcess
}

function endingOf(child: ChildProcess): Promise<string> {
  const failed$ = fromEvent(child, 'error').pipe(map(error => (error as Error).message))
  const closed$ = fromEvent(child, 'close').pipe(map(() => child.signalCode ?? `exit code ${String(child.exitCode)}`))
  return firstValueFrom(merge(failed$, closed$))
}

/**
 * Programs that live and die together: this very program, run again from `entry` with other arguments. Each is in a process group
 * of its own, so that a Ctrl-C reaches it through us only, and holds a channel to us, so that it ends when we are killed.
 */
export class ProcessGroup {
  #members: readonly Member[] = []
  #stopping = false
  readonly #exited$ = new ReplaySubject<ExitedProcess>(1)
  /** Emits when one that was to stay has ended. */
  readonly exited$ = this.#exited$.asObservable()

  constructor(
    private readonly entry: string,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /** Starts one. Throws `demo-failed` when the group is stopping. */
  start(name: string, args: readonly string[]): Program {
    if (this.#stopping) throw new CommandFailure('demo-failed', 'the demo is ending')
    const child = spawn(process.execPath, [this.entry, ...args], {
      env: this.env,
      detached: true,
      windowsHide: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    const messages = new ReplaySubject<Message>(keptMessages)
    const errors: string[] = []
    createInterface({ input: child.stdout! }).on('line', text => messages.next(parseMembers(text)))
    createInterface({ input: child.stderr! }).on('line', text => {
      errors.push(text.slice(0, 500))
      if (errors.length > keptErrorLines) errors.shift()
    })
    const ended = endingOf(child)
    void ended.then(() => messages.complete())
    const member = { name, child, ended, message$: messages.asObservable(), errorLines: () => errors }
    this.#members = [member, ...this.#members]
    return member
  }

  /** Runs one that is to end by itself; resolves with its messages once it is gone. */
  async run(name: string, args: readonly string[]): Promise<{ ending: string; messages: readonly Message[] }> {
    const program = this.start(name, args)
    const messages: Message[] = []
    program.message$.subscribe(message => messages.push(message))
    return { ending: await program.ended, messages }
  }

  /** From now on this one is to stay. */
  watch(program: Program): void {
    void program.ended.then(ending => {
      if (!this.#stopping) this.#exited$.next({ program, ending })
    })
  }

  /** Asks all of them to end, the last started first, and insists after eight seconds. Resolves when they are gone. */
  async stop(): Promise<void> {
    this.#stopping = true
    for (const { child, ended } of this.#members) {
      child.kill('SIGTERM')
      const insist = setTimeout(() => child.kill('SIGKILL'), stopLimitMs)
      await ended
      clearTimeout(insist)
    }
  }
}
