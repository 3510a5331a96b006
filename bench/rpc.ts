/** Calls between the bench and its child processes, both ways, over Node's own channel. */
import { fork, type ChildProcess } from 'node:child_process'

type Methods = Readonly<Record<string, (params: never) => unknown>>

type Message =
  | { readonly kind: 'call'; readonly id: number; readonly method: string; readonly params: unknown }
  | { readonly kind: 'answer'; readonly id: number; readonly value?: unknown; readonly failure?: string }

/** Asks the other process; rejects with its error's text. */
export type Call = <Value = void>(method: string, params?: unknown) => Promise<Value>

/** Either end of the channel: the parent's view of a child, or a child's `process`. */
interface End {
  send(message: Message): void
  onMessage(handler: (message: Message) => void): void
}

function connect(end: End, methods: Methods): Call {
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  let lastId = 0
  const answer = async (id: number, method: string, params: unknown): Promise<void> => {
    try {
      end.send({ kind: 'answer', id, value: await methods[method]!(params as never) })
    } catch (error) {
      end.send({ kind: 'answer', id, failure: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    }
  }
  end.onMessage(message => {
    if (message.kind === 'call') {
      void answer(message.id, message.method, message.params)
      return
    }
    const entry = waiting.get(message.id)
    waiting.delete(message.id)
    if (message.failure === undefined) entry?.resolve(message.value as never)
    else entry?.reject(new Error(message.failure))
  })
  return (method, params) =>
    new Promise((resolve, reject) => {
      const id = ++lastId
      waiting.set(id, { resolve, reject })
      end.send({ kind: 'call', id, method, params })
    })
}

/** A process of the bench's own. */
export interface Child {
  readonly call: Call
  readonly stop: () => Promise<void>
}

/** How a child is started, where not as this process was. */
export interface ChildStart {
  readonly execPath?: string
  readonly execArgv?: readonly string[]
}

/** Starts `file`, beside this one, as a process that answers calls and may make them, to `methods`. */
export function startChild(file: string, methods: Methods, { execPath, execArgv }: ChildStart = {}): Child {
  const child: ChildProcess = fork(new URL(file, import.meta.url), {
    ...(execPath !== undefined && { execPath }),
    ...(execArgv !== undefined && { execArgv: [...execArgv] }),
  })
  let stopping = false
  const exited = new Promise<void>(resolve => {
    child.once('exit', (code, signal) => {
      if (!stopping) {
        process.stderr.write(`${file} ended early (${signal ?? code})\n`)
        process.exit(1)
      }
      resolve()
    })
  })
  const call = connect(
    {
      send: message => {
        if (child.connected) child.send(message)
      },
      onMessage: handler => {
        child.on('message', handler)
      },
    },
    methods,
  )
  return {
    call,
    stop: () => {
      stopping = true
      child.disconnect()
      // WebRTC threads may hold an exit up; what was measured is out by now.
      setTimeout(() => child.kill('SIGKILL'), 2000).unref()
      return exited
    },
  }
}

/** The child's side. It ends with its parent. */
export function answerCalls(methods: Methods): Call {
  process.on('disconnect', () => process.exit(0))
  return connect(
    {
      send: message => process.send!(message),
      onMessage: handler => {
        process.on('message', handler)
      },
    },
    methods,
  )
}
