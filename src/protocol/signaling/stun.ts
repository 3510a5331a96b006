/** A STUN binding question, and whether a datagram answers it (RFC 8489 sections 5 and 14). */

/** Bytes of a transaction ID. */
export const transactionIdBytes = 12

const headerBytes = 20
const magicCookie = 0x2112_a442
const bindingRequestType = 0x0001
const bindingSuccessType = 0x0101
const bindingErrorType = 0x0111

/** A binding request without attributes: the header alone. */
export function bindingRequest(transactionId: Uint8Array): Uint8Array {
  const message = new Uint8Array(headerBytes)
  const view = new DataView(message.buffer)
  view.setUint16(0, bindingRequestType)
  view.setUint32(4, magicCookie)
  message.set(transactionId, 8)
  return message
}

/** Whether a datagram is an answer to that request. An error is one too: what came back came over UDP. */
export function isBindingAnswer(message: Uint8Array, transactionId: Uint8Array): boolean {
  if (message.length < headerBytes) return false
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength)
  const type = view.getUint16(0)
  return (
    (type === bindingSuccessType || type === bindingErrorType) &&
    view.getUint32(4) === magicCookie &&
    transactionId.every((byte, at) => message[8 + at] === byte)
  )
}
