/**
 * What the first bytes on a connection say about its protocol, so that one port can be a web site to a browser and anything else to
 * other programs.
 */

import { readClientHello } from './client-hello.js'

/** `http`: a request follows. `other`: not HTTP/1. `foreign`: TLS for a name that is not ours. `undecided`: too little has come. */
export type FirstBytes = 'http' | 'other' | 'foreign' | 'undecided'

/** How long a request line may be before it counts as one without its end, in bytes: what Node's parser takes as a whole head. */
const maxLineBytes = 16_384

/** No method is longer; browsers send whatever token a page names. */
const maxMethodBytes = 64

const [lineFeed, space] = [0x0a, 0x20]

/** RFC 9110, section 5.6.2. */
function isTokenByte(byte: number): boolean {
  return byte > 0x20 && byte < 0x7f && !'"(),/:;<=>?@[\\]{}'.includes(String.fromCharCode(byte))
}

/**
 * Judges the first bytes, all of them so far, by the request line of RFC 9112 (section 3): method, target and `HTTP/1.` with a digit.
 * What asks for another protocol by such a line is `other`: HTTP/2 with prior knowledge (`PRI`), and CONNECT, which no page can send.
 * TLS is carried as it is, but a page elsewhere cannot have it under its own name: `isOwnName` tells ours.
 */
export function judgeFirstBytes(bytes: Uint8Array, isOwnName: (name: string) => boolean): FirstBytes {
  const hello = readClientHello(bytes)
  if (hello === 'undecided') return hello
  if (hello !== undefined) return hello.name === undefined || isOwnName(hello.name) ? 'other' : 'foreign'
  const end = bytes.indexOf(lineFeed)
  const line = end < 0 ? bytes : bytes.subarray(0, end)
  const methodBytes = line.indexOf(space)
  const method = methodBytes < 0 ? line : line.subarray(0, methodBytes)
  if (method.length > maxMethodBytes || !method.every(isTokenByte)) return 'other'
  // Only the carriage return before the line feed may be one.
  if (line.some((byte, index) => byte < 0x20 && !(byte === 0x0d && index === line.length - 1))) return 'other'
  if (end < 0) return methodBytes > 0 && line.length > maxLineBytes ? 'http' : 'undecided'
  const text = new TextDecoder('latin1').decode(line)
  return /^(?!CONNECT )[^ ]+ +[^\r]* HTTP\/1\.\d *\r?$/.test(text) ? 'http' : 'other'
}
