import { Socket } from 'node:net'

/** What writing fails with when the other side has closed or reset the connection. */
const closedCodes = new Set(['EPIPE', 'ECONNRESET'])

type Written = (error?: Error | null) => void

/**
 * A TCP connection that goes on reading when the other side takes no more. Node destroys a socket when a write fails,
 * with what had been received: a server that refuses an upload, answers 413 and closes would seem to have sent nothing.
 * The connection is over then all the same, so reading ends or fails by itself; after that a failed write is an error.
 */
export class PatientSocket extends Socket {
  /** Why what was written since did not arrive. */
  writeFailure: Error | undefined

  override _write(chunk: unknown, encoding: BufferEncoding, written: Written): void {
    if (this.writeFailure === undefined) super._write(chunk, encoding, this.#heed(written))
    else written()
  }

  override _writev(chunks: { chunk: unknown; encoding: BufferEncoding }[], written: Written): void {
    if (this.writeFailure === undefined) super._writev!(chunks, this.#heed(written))
    else written()
  }

  #heed(written: Written): Written {
    return error => {
      const closed = error != null && closedCodes.has((error as NodeJS.ErrnoException).code ?? '')
      if (!closed || this.readableEnded) return written(error)
      this.writeFailure = error
      written()
    }
  }
}
