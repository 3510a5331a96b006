import { CommandFailure } from '../failure.js'
import type { Version } from './answer.js'
import { Destination } from './destination.js'

/** Output that cannot be taken back: stdout, a pipe, a device. */
export class StreamOutput extends Destination {
  readonly keptIn = undefined
  /** Bytes to come that were written already. */
  #skipped = 0

  /** @param write resolves when the reader or the system has the bytes. */
  constructor(private readonly write: (bytes: Uint8Array) => Promise<void>) {
    super()
  }

  get canGoOn(): boolean {
    return this.bytes === 0 || this.held !== undefined
  }

  /** The same version from its front, where the other side cannot do better, is passed over as far as it was written. */
  async begin(version: Version): Promise<void> {
    if (this.bytes > 0 && (version.etag === undefined || version.etag !== this.version?.etag)) {
      throw new CommandFailure('file-changed', 'the file has changed, and what was written cannot be undone')
    }
    this.version = version
    this.#skipped = this.bytes
  }

  async append(bytes: Uint8Array): Promise<void> {
    const left = bytes.subarray(this.#skipped)
    this.#skipped -= bytes.length - left.length
    if (left.length === 0) return
    await this.write(left)
    this.bytes += left.length
  }
}
