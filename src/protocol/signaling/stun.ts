/** STUN messages, as far as they are needed to see who answers and what it says (RFC 8489 sections 5 and 14). */
import { concat } from '../bytes.js'

/** Bytes of a transaction ID. */
export const transactionIdBytes = 12

/** Bytes before the attributes. */
export const stunHeaderBytes = 20

const magicCookie = 0x2112_a442

/** Message types: the method, with the bits that say request, success or error. */
export const stunTypes = {
  bindingRequest: 0x0001,
  bindingSuccess: 0x0101,
  bindingError: 0x0111,
  allocateRequest: 0x0003,
  allocateSuccess: 0x0103,
  allocateError: 0x0113,
  refreshRequest: 0x0004,
} as const

/** Attributes of STUN and TURN (RFC 8656 section 18). */
export const stunAttributes = {
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  lifetime: 0x000d,
  realm: 0x0014,
  nonce: 0x0015,
  xorRelayedAddress: 0x0016,
  requestedTransport: 0x0019,
  xorMappedAddress: 0x0020,
} as const

/** An attribute: its type and its value. */
export type StunAttribute = readonly [type: number, value: Uint8Array]

/** A message, taken apart. Of several attributes of a type the first counts. */
export interface StunMessage {
  readonly type: number
  readonly transactionId: Uint8Array
  readonly attributes: ReadonlyMap<number, Uint8Array>
}

function attributeBytes([type, value]: StunAttribute): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * Math.ceil(value.length / 4))
  const view = new DataView(bytes.buffer)
  view.setUint16(0, type)
  view.setUint16(2, value.length)
  bytes.set(value, 4)
  return bytes
}

/** A message. `extraLength` is added to the length in its header: of what will follow it. */
export function formatStun(
  type: number,
  transactionId: Uint8Array,
  attributes: readonly StunAttribute[] = [],
  extraLength = 0,
): Uint8Array {
  const body = concat(attributes.map(attributeBytes))
  const message = new Uint8Array(stunHeaderBytes + body.length)
  const view = new DataView(message.buffer)
  view.setUint16(0, type)
  view.setUint16(2, body.length + extraLength)
  view.setUint32(4, magicCookie)
  message.set(transactionId, 8)
  message.set(body, stunHeaderBytes)
  return message
}

/** A binding request without attributes: the header alone. */
export function bindingRequest(transactionId: Uint8Array): Uint8Array {
  return formatStun(stunTypes.bindingRequest, transactionId)
}

/** Length of the message that begins with these bytes; undefined while its header is not whole. */
export function stunLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < stunHeaderBytes) return undefined
  return stunHeaderBytes + new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint16(2)
}

/** Takes a message apart; undefined for anything that is none. */
export function parseStun(bytes: Uint8Array): StunMessage | undefined {
  if (stunLength(bytes) !== bytes.length) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(4) !== magicCookie) return undefined
  const attributes = new Map<number, Uint8Array>()
  for (let at = stunHeaderBytes; at < bytes.length;) {
    if (at + 4 > bytes.length) return undefined
    const type = view.getUint16(at)
    const length = view.getUint16(at + 2)
    if (at + 4 + length > bytes.length) return undefined
    if (!attributes.has(type)) attributes.set(type, bytes.subarray(at + 4, at + 4 + length))
    at += 4 + 4 * Math.ceil(length / 4)
  }
  return { type: view.getUint16(0), transactionId: bytes.subarray(8, stunHeaderBytes), attributes }
}

/** Whether bytes carry that transaction ID, which makes them the answer to the request with it. */
export function answers(bytes: Uint8Array, transactionId: Uint8Array): boolean {
  return bytes.length >= stunHeaderBytes && transactionId.every((byte, at) => bytes[8 + at] === byte)
}

/** Whether a datagram is an answer to that binding request. An error is one too: what came back came over UDP. */
export function isBindingAnswer(message: Uint8Array, transactionId: Uint8Array): boolean {
  if (!answers(message, transactionId)) return false
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength)
  const type = view.getUint16(0)
  return view.getUint32(4) === magicCookie && (type === stunTypes.bindingSuccess || type === stunTypes.bindingError)
}

/** An address with its port. */
export interface SeenAddress {
  readonly address: string
  readonly port: number
}

/** The address in an attribute that is masked with the cookie and the transaction ID; undefined where there is none. */
export function xorAddress({ attributes, transactionId }: StunMessage, type: number): SeenAddress | undefined {
  const value = attributes.get(type)
  if (value === undefined || value.length < 8) return undefined
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  const family = view.getUint8(1)
  const port = view.getUint16(2) ^ (magicCookie >>> 16)
  const mask = new Uint8Array(16)
  new DataView(mask.buffer).setUint32(0, magicCookie)
  mask.set(transactionId, 4)
  const bytes = value.subarray(4).map((byte, at) => byte ^ (mask[at] ?? 0))
  if (family === 1 && bytes.length === 4) return { address: bytes.join('.'), port }
  if (family !== 2 || bytes.length !== 16) return undefined
  const groups = Array.from({ length: 8 }, (_, at) => ((bytes[2 * at]! << 8) | bytes[2 * at + 1]!).toString(16))
  // As everybody writes it: the longest run of zeros left out.
  return { address: new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1), port }
}
