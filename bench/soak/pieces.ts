import { patternBytes } from '../../spec/support/pattern.js'

/** Bytes that are made at a time. */
const pieceBytes = 65_536

/** The film that everybody shares, from `offset` on, in pieces. */
export function* piecesOf(offset: number, length: number): Generator<Uint8Array> {
  for (let done = 0; done < length; done += pieceBytes) {
    yield patternBytes(1, offset + done, Math.min(pieceBytes, length - done))
  }
}
