import { Subject } from 'rxjs'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import type { Io, Parts, Prompt, Sink } from '../../../src/cli/io.js'

/** A process that a spec can look into. */
export interface FakeIo extends Io {
  readonly out: () => string
  readonly err: () => string
  /** The lines of stdout as JSON. */
  readonly messages: () => readonly Record<string, unknown>[]
  /** Emits what was written to stdout, as it is written. */
  readonly written$: Subject<string>
  readonly interrupt$: Subject<void>
  readonly opened: string[]
  readonly questions: Prompt[]
}

function unexpected(what: string): () => never {
  return () => {
    throw new Error(`${what} was not expected`)
  }
}

/** Parts of which none may be used, but for the keys. */
export const noParts: Parts = {
  crypto: nodeCrypto,
  hubClient: unexpected('a hub'),
  peer: unexpected('a peer'),
  hub: unexpected('a hub'),
  loadRtc: unexpected('WebRTC'),
  doctor: unexpected('a doctor'),
}

/** A process in `cwd` with an empty environment and no terminal, unless the spec says otherwise. */
export function fakeIo(
  cwd: string,
  given: Partial<Pick<Io, 'env' | 'interactive' | 'pid'>> & {
    readonly parts?: Partial<Parts>
    readonly terminal?: boolean
    readonly answers?: readonly string[]
  } = {},
): FakeIo {
  const { env = {}, interactive = false, pid = process.pid, parts = {}, terminal = false, answers = [] } = given
  const written$ = new Subject<string>()
  let out = ''
  let err = ''
  const sink = (write: (text: string) => void): Sink => ({
    isTTY: terminal,
    write,
    writeAll: bytes =>
      Promise.resolve(write(typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('latin1'))),
    flush: () => Promise.resolve(undefined),
  })
  const stdout = sink(text => {
    out += text
    written$.next(text)
  })
  const stderr = sink(text => {
    err += text
  })
  const left = [...answers]
  const opened: string[] = []
  const questions: Prompt[] = []
  return {
    env,
    cwd,
    pid,
    stdout,
    stderr,
    interactive,
    interrupt$: new Subject<void>(),
    ask(question) {
      questions.push(question)
      return Promise.resolve(left.shift())
    },
    openBrowser(url) {
      opened.push(url)
      return Promise.resolve()
    },
    parts: { ...noParts, ...parts },
    out: () => out,
    err: () => err,
    messages: () =>
      out
        .split('\n')
        .filter(line => line !== '')
        .map(line => JSON.parse(line) as Record<string, unknown>),
    written$,
    opened,
    questions,
  }
}
