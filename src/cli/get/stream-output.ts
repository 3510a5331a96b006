import { CommandFailure } from '../failure.js'
import type { Held, Version } from './answer.js'
import type { Destination } from './destination.js'

/** Output that cannot be taken back: stdout, a pipe, a device. */
export class StreamOutput implements Destination {
  readonly keptIn = undefined
  #length = 0
  #version: Version | undefined
  /** Bytes to come that were written already. */
  #skipped = 0

  /** @param write resolves when the reader or the system has the bytes. */
  constructor(private readonly write: (bytes: Uint8Array) => Promise<void>) {}

  get length(): number {
    return this.#length
  }

  get size(): number | undefined {
    return this.#version?.size
  }

  get held(): Held | undefined {
    const { etag, size } = this.#version ?? {}
    return etag === undefined || this.#length === 0 ? undefined : { from: this.#length, version: { etag, size } }
  }

  get canGoOn(): boolean {
    return this.#length === 0 || this.held !== undefined
  }

  /** The same version from its front, where the other side cannot do better, is passed over as far as it was written. */
  begin(version: Version): Promise<void> {
    if (this.#length > 0 && (version.etag === undefined || version.etag !== this.#version?.etag)) {
      const message = 'it became another version, and what was written cannot be taken back'
      return Promise.reject(new CommandFailure('file-changed', message))
    }
    this.#version = version
    this.#skipped = this.#length
    return Promise.resolve()
  }

  async append(bytes: Uint8Array): Promise<void> {
    const left = bytes.subarray(this.#skipped)
    this.#skipped -= bytes.length - left.length
    if (left.length === 0) return
    await this.write(left)
    this.#length += left.length
  }
}
