import { from } from 'rxjs'
import { CommandFailure } from '../failure.js'
import { type Message, type Program, startProgram } from './program.js'

/** A program of the demo that ended when it should not have. */
export interface ExitedProcess {
  readonly program: Program
  readonly ending: string
}

/** The programs of a demo, which live and die together. */
export interface ProcessGroup {
  /** Starts one. Throws `demo-failed` when the group is stopping. */
  start(name: string, args: readonly string[]): Program
  /** Runs one that is to end by itself; resolves with its messages once it is gone. */
  run(
    name: string,
    args: readonly string[],
  ): Promise<{ readonly ending: string; readonly messages: readonly Message[] }>
  /** From now on this one is to stay: its end ends the demo. */
  watch(program: Program): void
  /** Resolves when one that was to stay has ended. */
  readonly exited: Promise<ExitedProcess>
  /** Ends all of them, the last started first. */
  stop(): Promise<void>
}

/** An empty group whose programs are this program, run again from `entry`. */
export function createProcessGroup(entry: string, env: NodeJS.ProcessEnv): ProcessGroup {
  let members: readonly Program[] = []
  let stopping = false
  let report: (exited: ExitedProcess) => void
  const exited = new Promise<ExitedProcess>(resolve => {
    report = resolve
  })
  const launch = (name: string, args: readonly string[]): Program => {
    if (stopping) throw new CommandFailure('demo-failed', 'the demo is ending')
    const program = startProgram(name, entry, args, env)
    members = [program, ...members]
    return program
  }
  return {
    exited,
    start: launch,
    watch(program) {
      from(program.ended).subscribe(ending => {
        if (!stopping) report({ program, ending })
      })
    },
    async run(name, args) {
      const program = launch(name, args)
      const messages: Message[] = []
      program.message$.subscribe(message => messages.push(message))
      const ending = await program.ended
      return { ending, messages }
    },
    async stop() {
      stopping = true
      for (const program of members) await program.stop()
    },
  }
}
