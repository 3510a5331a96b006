import type { Held, Version } from './answer.js'

/** Where the bytes of a file go. Its methods are called one after the other. */
export abstract class Destination {
  protected bytes = 0
  protected version: Version | undefined

  /** Bytes that are there. */
  get length(): number {
    return this.bytes
  }

  /** The length that was announced. */
  get size(): number | undefined {
    return this.version?.size
  }

  /** What there is to go on from; undefined when everything has to be asked for. */
  get held(): Held | undefined {
    const { etag, size } = this.version ?? {}
    return etag === undefined || this.bytes === 0 ? undefined : { from: this.bytes, version: { etag, size } }
  }

  /** Whether another attempt can succeed: what is there can be continued or dropped. */
  abstract readonly canGoOn: boolean
  /** Where another run finds what is there, to go on from it. */
  abstract readonly keptIn: string | undefined
  /** Drops what there is; what is appended from now on is of this version. Rejects with `file-changed` where it cannot. */
  abstract begin(version: Version): Promise<void>
  /** Resolves when the bytes are with the system; whoever waits for it holds one piece in memory. */
  abstract append(bytes: Uint8Array): Promise<void>
}
