/** The Go program of `spec/interop/go`: building it, and talking to a session of it. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { buildGo } from '../../support/go.node.js'

/** Why a suite that needs it is skipped. */
export const goReason = 'needs Go and xtaci/smux (Debian: golang-go golang-github-xtaci-smux-dev)'

const sources = fileURLToPath(new URL('../../../../spec/interop/go/', import.meta.url))

/** What building it may take where Go has not compiled its own library yet. */
export const goBuildMs = 240_000

export interface GoProgram {
  readonly path: string
}

/** Builds the program, once for a run, with the sources that the system has. */
export async function buildGoProgram(): Promise<GoProgram> {
  return { path: await buildGo('interop', sources) }
}

/** What `session` takes; see session.go. */
export interface GoSessionOptions {
  readonly address: string
  readonly role: 'client' | 'server'
  readonly version: 1 | 2
  readonly keepAliveMs?: number
  readonly timeoutMs?: number
  readonly maxFrameSize?: number
  readonly streamBuffer?: number
}

export type GoCommand =
  | { readonly do: 'open' | 'accept' | 'count' | 'echo' | 'shut' }
  | { readonly do: 'churn'; readonly count: number; readonly size: number }
  | { readonly do: 'write'; readonly stream: number; readonly size: number; readonly seed: number }
  /** A negative size reads up to the end of the stream. */
  | { readonly do: 'read'; readonly stream: number; readonly size: number }
  | { readonly do: 'close'; readonly stream: number }

export interface GoResult {
  readonly stream: number
  readonly bytes: number
  readonly sha256: string
  readonly count: number
  readonly error: string
}

export interface GoSession {
  /** Performs a command; commands run side by side. Never rejects for what smux says: that is `error`. */
  ask(command: GoCommand): Promise<GoResult>
  /** Ends the process and waits for its end. */
  stop(): Promise<void>
}

export function startGoSession(program: GoProgram, options: GoSessionOptions): GoSession {
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(
    program.path,
    ['session', JSON.stringify(options)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  const waiting = new Map<number, (result: GoResult) => void>()
  const gone: GoResult = { stream: 0, bytes: 0, sha256: '', count: 0, error: 'the Go program has ended' }
  let id = 0
  createInterface(child.stdout).on('line', line => {
    const { id: asked, ...result } = JSON.parse(line) as GoResult & { readonly id: number }
    waiting.get(asked)?.(result)
    waiting.delete(asked)
  })
  let over = false
  const exited = once(child, 'close').then(() => {
    over = true
    waiting.forEach(answer => answer(gone))
  })
  // A command may be on its way while the program ends; it is answered above.
  child.stdin.on('error', () => undefined)
  return {
    ask: command =>
      new Promise(answer => {
        if (over) return answer(gone)
        waiting.set(++id, answer)
        child.stdin.write(`${JSON.stringify({ id, ...command })}\n`)
      }),
    stop: async () => {
      child.stdin.end()
      child.kill()
      await exited
    },
  }
}
