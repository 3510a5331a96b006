/** Standard base64 with padding as bytes. The text must be base64: check it first. */
export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), character => character.charCodeAt(0))
}

/** Bytes as standard base64 with padding. For short ones: keys, signatures, digests. */
export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}
