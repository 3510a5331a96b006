const newArray = (bytes: number): Uint8Array => new Uint8Array(bytes)

/**
 * One array with the bytes of all, in what `allocate` gives for exactly so many. Always a copy, so that no large buffer
 * stays alive behind a small view.
 */
export function concat(parts: readonly Uint8Array[], allocate = newArray): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const all = allocate(length)
  let offset = 0
  for (const part of parts) {
    all.set(part, offset)
    offset += part.length
  }
  return all
}

/**
 * Appends a copy of `bytes`, joining it with neighbours no longer than itself. However small the pieces, the list stays
 * logarithmic in its bytes and each byte is copied a logarithmic number of times: one-byte chunks cost no quadratic time.
 */
export function appendJoined(parts: readonly Uint8Array[], bytes: Uint8Array): readonly Uint8Array[] {
  if (bytes.length === 0) return parts
  let keep = parts.length
  let length = bytes.length
  while (keep > 0 && parts[keep - 1]!.length <= length) length += parts[--keep]!.length
  return [...parts.slice(0, keep), concat([...parts.slice(keep), bytes])]
}

/** As much of a text from its front as fits so many bytes of UTF-8; never half a character. */
export function cutToBytes(text: string, maxBytes: number): string {
  let bytes = 0
  let end = 0
  for (const char of text) {
    bytes += new TextEncoder().encode(char).length
    if (bytes > maxBytes) break
    end += char.length
  }
  return text.slice(0, end)
}
