import { from } from 'rxjs'
import { CommandFailure } from '../failure.js'
import { type Message, type Program, startProgram } from './program.js'

/** A program of the demo that ended when it should not have. */
export interface Casualty {
  readonly program: Program
  readonly ending: string
}

/** The programs of a demo, which live and die together. */
export interface Fleet {
  /** Starts one. Throws `demo-failed` when the fleet is stopping. */
  start(name: string, args: readonly string[]): Program
  /** Runs one that is to end by itself; resolves with its messages once it is gone. */
  run(
    name: string,
    args: readonly string[],
  ): Promise<{ readonly ending: string; readonly messages: readonly Message[] }>
  /** From now on this one is to stay: its end is a casualty. */
  watch(program: Program): void
  /** Resolves when one that was to stay has ended. */
  readonly casualty: Promise<Casualty>
  /** Ends all of them, the last started first. */
  stop(): Promise<void>
}

/** An empty fleet whose programs are this program, run again from `entry`. */
export function createFleet(entry: string, env: NodeJS.ProcessEnv): Fleet {
  let members: readonly Program[] = []
  let stopping = false
  let lose: (casualty: Casualty) => void
  const casualty = new Promise<Casualty>(resolve => {
    lose = resolve
  })
  const launch = (name: string, args: readonly string[]): Program => {
    if (stopping) throw new CommandFailure('demo-failed', 'the demo is ending')
    const program = startProgram(name, entry, args, env)
    members = [program, ...members]
    return program
  }
  return {
    casualty,
    start: launch,
    watch(program) {
      from(program.ended).subscribe(ending => {
        if (!stopping) lose({ program, ending })
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
