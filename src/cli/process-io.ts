import { isCancel, text } from '@clack/prompts'
import open from 'open'
import { Observable } from 'rxjs'
import type { Io, Sink } from './io.js'
import { realParts } from './parts.js'

/** Signals with which a user, a supervisor or a closing terminal asks a program to end. */
const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Listens while subscribed; otherwise the signals keep their own effect, so that a second Ctrl-C during the clean-up
 * ends the process at once. A parent that gave us a channel and is gone counts as a request to end.
 */
const interrupt$ = new Observable<void>(subscriber => {
  const interrupt = (): void => subscriber.next()
  for (const signal of endSignals) process.on(signal, interrupt)
  if (process.channel !== undefined) {
    process.on('disconnect', interrupt)
    // Listening alone would keep the process alive for ever.
    process.channel.unref()
  }
  return () => {
    for (const signal of endSignals) process.off(signal, interrupt)
    process.off('disconnect', interrupt)
  }
})

/** Node leaves the property out where there is no terminal, whatever its types say. */
function isTerminal(stream: { readonly isTTY?: boolean }): boolean {
  return stream.isTTY === true
}

function sink(stream: NodeJS.WriteStream): Sink {
  // Whoever read our output has closed it (`| head`): nobody is left to tell.
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  return { isTTY: isTerminal(stream), write: line => void stream.write(line) }
}

/** The real process. Made once, by the program's entry. */
export function processIo(): Io {
  return {
    env: process.env,
    cwd: process.cwd(),
    pid: process.pid,
    stdout: sink(process.stdout),
    stderr: sink(process.stderr),
    interactive: isTerminal(process.stdin) && isTerminal(process.stderr),
    interrupt$,
    async ask({ message, placeholder, complain }) {
      const validate = (answer: string | undefined): string | undefined => complain(answer?.trim() ?? '')
      const answer = await text({ message, placeholder, validate, output: process.stderr })
      return isCancel(answer) ? undefined : answer.trim()
    },
    async openBrowser(url) {
      await open(url)
    },
    parts: realParts,
  }
}
