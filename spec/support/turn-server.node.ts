/** A TURN server as far as the first answers go, written from RFC 8656 and RFC 8489 and from nothing in src/. */
import { createHash, createHmac, randomBytes } from 'node:crypto'

const realm = 'spec.example'

type Attributes = readonly (readonly [number, Buffer])[]

function message(type: number, id: Buffer, attributes: Attributes): Buffer {
  const body = attributes.map(([attribute, value]) => {
    const head = Buffer.alloc(4)
    head.writeUInt16BE(attribute, 0)
    head.writeUInt16BE(value.length, 2)
    return Buffer.concat([head, value, Buffer.alloc((4 - (value.length % 4)) % 4)])
  })
  const head = Buffer.alloc(8)
  head.writeUInt16BE(type, 0)
  head.writeUInt16BE(Buffer.concat(body).length, 2)
  head.writeUInt32BE(0x2112a442, 4)
  return Buffer.concat([head, id, ...body])
}

function attributesIn(bytes: Buffer): ReadonlyMap<number, { readonly value: Buffer; readonly at: number }> {
  const found = new Map<number, { value: Buffer; at: number }>()
  for (let at = 20; at < bytes.length;) {
    const length = bytes.readUInt16BE(at + 2)
    found.set(bytes.readUInt16BE(at), { value: bytes.subarray(at + 4, at + 4 + length), at })
    at += 4 + length + ((4 - (length % 4)) % 4)
  }
  return found
}

function xored(address: readonly number[], port: number): Buffer {
  const bytes = Buffer.from([0, 1, 0, 0, ...address])
  bytes.writeUInt16BE(port ^ 0x2112, 2)
  bytes.writeUInt32BE((bytes.readUInt32BE(4) ^ 0x2112a442) >>> 0, 4)
  return bytes
}

const errorCode = (code: number, reason: string): Buffer =>
  Buffer.concat([Buffer.from([0, 0, Math.floor(code / 100), code % 100]), Buffer.from(reason)])

/** What is configured. */
export interface FakeTurn {
  readonly username: string
  readonly credential: string
  /** Error for an allocation that is proven, and its words. Default: it is given. */
  readonly refusal?: readonly [number, string]
  /** Asks for another nonce, once. */
  readonly stale?: boolean
}

/** Answers messages; `seen` has the types of those that were proven. */
export function fakeTurn({ username, credential, refusal, stale = false }: FakeTurn): {
  readonly seen: readonly number[]
  answer(bytes: Buffer): Buffer | undefined
} {
  const seen: number[] = []
  let nonce = randomBytes(8).toString('hex')
  let isStale = stale
  const isProven = (bytes: Buffer): boolean => {
    const all = attributesIn(bytes)
    const integrity = all.get(0x0008)
    if (integrity === undefined || all.get(0x0006)?.value.toString() !== username) return false
    const key = createHash('md5').update(`${username}:${realm}:${credential}`).digest()
    const covered = Buffer.from(bytes.subarray(0, integrity.at))
    covered.writeUInt16BE(integrity.at - 20 + 24, 2)
    return createHmac('sha1', key).update(covered).digest().equals(integrity.value)
  }
  const challenge = (code: number, words: string): Attributes => [
    [0x0009, errorCode(code, words)],
    [0x0014, Buffer.from(realm)],
    [0x0015, Buffer.from(nonce)],
  ]
  return {
    seen,
    answer(bytes: Buffer): Buffer | undefined {
      const type = bytes.readUInt16BE(0)
      const id = bytes.subarray(8, 20)
      if (!isProven(bytes)) return message(0x0113, id, challenge(401, 'Unauthorized'))
      seen.push(type)
      if (type === 0x0004) return message(0x0104, id, [])
      if (type !== 0x0003) return undefined
      if (isStale) {
        isStale = false
        nonce = randomBytes(8).toString('hex')
        return message(0x0113, id, challenge(438, 'Stale Nonce'))
      }
      if (attributesIn(bytes).get(0x0015)?.value.toString() !== nonce)
        return message(0x0113, id, challenge(438, 'Stale'))
      if (refusal !== undefined) return message(0x0113, id, [[0x0009, errorCode(...refusal)]])
      return message(0x0103, id, [
        [0x0016, xored([192, 0, 2, 7], 50_000)],
        [0x0020, xored([192, 0, 2, 1], 40_000)],
      ])
    },
  }
}
