import type { Sink } from './io.js'
import { diskFailure } from './disk-failure.js'
import { CommandFailure } from './failure.js'

/** What may wait for a reader that does not read. More is dropped: a stalled reader must not fill the memory of a peer. */
const maxWaitingBytes = 1_048_576

/** The parts of a stream that a sink uses. */
export type OutputStream = Pick<NodeJS.WriteStream, 'write' | 'on' | 'writableLength'> & { readonly isTTY?: boolean }

/** Why `name` cannot be written. The reader of a pipe has closed it (EPIPE), or the terminal is gone (EIO): nobody is left to read a message. */
export function outputFailure(error: NodeJS.ErrnoException, name: string, isTTY = false): Error {
  return error.code === 'EPIPE' || (isTTY && error.code === 'EIO')
    ? new CommandFailure('output-closed', `the reader of ${name} has closed it`)
    : diskFailure(error, name)
}

/**
 * A sink onto stdout or stderr, called `name` in messages. Losing the reader ends nothing here: Node tries each write anew,
 * so that a log goes on when its disk has room again.
 */
export function createSink(stream: OutputStream, name: string): Sink {
  // Node omits the property if there is no terminal, despite its types.
  const isTTY = stream.isTTY === true
  let first: Error | undefined
  const toFailure = (error: NodeJS.ErrnoException): Error => outputFailure(error, name, isTTY)
  // Without a listener a failed write would end the process.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    first ??= toFailure(error)
  })
  const writeAll = (bytes: Uint8Array | string): Promise<void> =>
    new Promise((resolve, reject) => {
      stream.write(bytes, error => (error ? reject(toFailure(error)) : resolve()))
    })
  return {
    isTTY,
    write(text) {
      if (stream.writableLength <= maxWaitingBytes) stream.write(text)
    },
    writeAll,
    async flush() {
      await writeAll('').catch(() => undefined)
      return first
    },
  }
}
