/**
 * The name that a TLS client asks for, in the first message that it sends: RFC 8446, sections 4.1.2 and 5.1, and RFC 6066,
 * section 3. A browser names the host of the page, which a rebound name or one with an own certificate cannot hide.
 */

/** `name` is as sent, undefined where the client names none: it was told an address. `undecided`: more is to come. */
export type ClientHello = 'undecided' | { readonly name: string | undefined }

const handshakeRecord = 22
const clientHello = 1
const serverName = 0

/** Longer ones are of no browser, and no server takes them. */
const maxHelloBytes = 65_536

/** Reads big-endian numbers and what they count; throws `RangeError` at the end of the bytes. */
class Reader {
  #at = 0
  constructor(private readonly bytes: Uint8Array) {}

  get left(): number {
    return this.bytes.length - this.#at
  }

  take(count: number): Uint8Array {
    if (count > this.left) throw new RangeError('the message is cut')
    this.#at += count
    return this.bytes.subarray(this.#at - count, this.#at)
  }

  number(bytes: number): number {
    return this.take(bytes).reduce((value, byte) => value * 256 + byte, 0)
  }

  /** What follows its own length. */
  counted(lengthBytes: number): Reader {
    return new Reader(this.take(this.number(lengthBytes)))
  }
}

/** The handshake bytes of whole records, and whether another one has begun or may follow. */
function handshakeOf(bytes: Uint8Array): Uint8Array | undefined {
  const records = new Reader(bytes)
  const parts: number[] = []
  while (records.left >= 5) {
    const type = records.number(1)
    const major = records.number(1)
    records.number(1)
    if (type !== handshakeRecord || major !== 3) return undefined
    const length = records.number(2)
    if (length > records.left) break
    parts.push(...records.take(length))
  }
  return Uint8Array.from(parts)
}

function nameIn(hello: Reader): string | undefined {
  // Version and random; then what the session, the ciphers and the compression may be.
  hello.take(34)
  hello.counted(1)
  hello.counted(2)
  hello.counted(1)
  if (hello.left === 0) return undefined
  const extensions = hello.counted(2)
  while (extensions.left > 0) {
    const type = extensions.number(2)
    const extension = extensions.counted(2)
    if (type !== serverName) continue
    const names = extension.counted(2)
    names.number(1)
    return new TextDecoder('latin1').decode(names.take(names.number(2)))
  }
  return undefined
}

/** Reads the first bytes of a connection, all of them so far. Undefined where they are no TLS client's, or none that can be read. */
export function readClientHello(bytes: Uint8Array): ClientHello | undefined {
  if (bytes[0] !== handshakeRecord || (bytes.length > 1 && bytes[1] !== 3)) return undefined
  const handshake = handshakeOf(bytes)
  if (handshake === undefined) return undefined
  if (handshake.length < 4) return 'undecided'
  const message = new Reader(handshake)
  if (message.number(1) !== clientHello) return undefined
  const length = message.number(3)
  if (length > maxHelloBytes) return undefined
  if (length > message.left) return 'undecided'
  try {
    return { name: nameIn(new Reader(message.take(length))) }
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}
