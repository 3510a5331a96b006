import { isatty } from 'node:tty'
import { Observable } from 'rxjs'
import { closeLostTerminalsAtExit, ignoresHangUp } from './hang-up.js'
import type { Io } from './io.js'
import { realParts } from './parts.js'
import { createSink } from './sink.js'

/**
 * Signals that programs send, and more than once for one reason: the kernel and the shell both announce a terminal that
 * closes. The clean-up that the first one began goes on.
 */
const programSignals = ['SIGTERM', 'SIGHUP'] as const

const ignore = (): void => undefined

/**
 * Listens while subscribed; otherwise the signals have their own effect. So a second Ctrl-C during the clean-up ends the
 * process at once. A parent that gave us a channel and is gone counts as a request to end.
 */
function createInterrupt$(signals: readonly NodeJS.Signals[]): Observable<void> {
  return new Observable(subscriber => {
    const interrupt = (): void => {
      for (const signal of programSignals) if (!process.listeners(signal).includes(ignore)) process.on(signal, ignore)
      subscriber.next()
    }
    for (const signal of signals) process.on(signal, interrupt)
    if (process.channel !== undefined) {
      process.on('disconnect', interrupt)
      // Listening alone would keep the process alive for ever.
      process.channel.unref()
    }
    return () => {
      for (const signal of signals) process.off(signal, interrupt)
      process.off('disconnect', interrupt)
    }
  })
}

/** The real process. Made once, by the program's entry. */
export function processIo(): Io {
  const stdout = createSink(process.stdout, 'stdout')
  const stderr = createSink(process.stderr, 'stderr')
  const ignoresHup = ignoresHangUp(stdout.isTTY || stderr.isTTY)
  if (ignoresHup) process.on('SIGHUP', ignore)
  closeLostTerminalsAtExit()
  return {
    env: process.env,
    cwd: process.cwd(),
    pid: process.pid,
    stdout,
    stderr,
    interactive: isatty(0) && stderr.isTTY,
    interrupt$: createInterrupt$(['SIGINT', 'SIGTERM', ...(ignoresHup ? [] : (['SIGHUP'] as const))]),
    async ask({ message, placeholder, complain }) {
      const { isCancel, text } = await import('@clack/prompts')
      const validate = (answer: string | undefined): string | undefined => complain(answer?.trim() ?? '')
      const answer = await text({ message, placeholder, validate, output: process.stderr })
      return isCancel(answer) ? undefined : answer.trim()
    },
    async openBrowser(url) {
      const { default: open } = await import('open')
      await open(url)
    },
    parts: realParts,
  }
}
