import { type Frame, frameBytes, maxSentDataBytes } from './frame.js'

/**
 * How far a message is filled with one more frame. A frame that does not fit begins the next message, and what is
 * returned is the size of the frame alone.
 */
export function filledWith(filledBytes: number, addedBytes: number, maxMessageBytes: number): number {
  const bothBytes = filledBytes + addedBytes
  return bothBytes <= maxMessageBytes ? bothBytes : addedBytes
}

/**
 * Groups frames into messages of at most `maxMessageBytes`, in order and as full as they get. A PSH with more than 4,096
 * bytes of data is cut into frames of that size. Copies no data.
 */
export function groupFrames(frames: readonly Frame[], maxMessageBytes: number): readonly (readonly Frame[])[] {
  const messages: Frame[][] = []
  let message: Frame[] = []
  let filledBytes = 0
  const add = (frame: Frame): void => {
    const bytes = frameBytes(frame)
    filledBytes = filledWith(filledBytes, bytes, maxMessageBytes)
    if (filledBytes === bytes) messages.push((message = []))
    message.push(frame)
  }
  for (const frame of frames) {
    if (frame.command !== 'psh' || frame.data.length <= maxSentDataBytes) {
      add(frame)
      continue
    }
    for (let start = 0; start < frame.data.length; start += maxSentDataBytes) {
      add({ ...frame, data: frame.data.subarray(start, start + maxSentDataBytes) })
    }
  }
  return messages
}
