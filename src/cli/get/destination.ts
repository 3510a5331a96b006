import type { Held, Version } from './answer.js'

/** Where the bytes of a file go. Its methods are called one after the other. */
export interface Destination {
  /** Bytes that are there. */
  readonly length: number
  /** The length that was announced. */
  readonly size: number | undefined
  /** What there is to go on from; undefined when everything has to be asked for. */
  readonly held: Held | undefined
  /** Whether another attempt can succeed: what is there can be continued or dropped. */
  readonly canGoOn: boolean
  /** Where another run finds what is there, to go on from it. */
  readonly keptIn: string | undefined
  /** Drops what there is; what is appended from now on is of this version. Rejects with `file-changed` where it cannot. */
  begin(version: Version): Promise<void>
  /** Resolves when the bytes are with the system; whoever waits for it holds one piece in memory. */
  append(bytes: Uint8Array): Promise<void>
}
