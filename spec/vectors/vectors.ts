import type { Frame, MuxVersion } from '../../src/protocol/mux/frame.js'

/** One frame as xtaci/smux wrote it. `hex` spells out its first 64 bytes; data is the pattern of `seed`. */
export interface FrameVector {
  readonly name: string
  readonly version: MuxVersion
  readonly command: Frame['command']
  readonly streamId: number
  readonly size: number
  readonly seed: number
  readonly bytes: number
  readonly hex: string
  readonly sha256: string
}

/** All that both sides of a session said. */
export interface Conversation {
  readonly version: MuxVersion
  readonly script: string
  readonly client: string
  readonly server: string
}

/** The shape of `smux.json`. */
export interface Vectors {
  readonly source: string
  readonly frames: readonly FrameVector[]
  readonly conversations: readonly Conversation[]
}
