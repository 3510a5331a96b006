import { assertNickname } from '../../protocol/peer/nickname.js'
import { CommandFailure } from '../failure.js'

/** A file that somebody shares. */
export interface FileAddress {
  readonly nickname: string
  /** Path and query as they go over HTTP: percent-encoded, with a slash at the front. */
  readonly path: string
  /** What the file is called there. */
  readonly name: string
  /** `lighthouse://nickname/path`, the same for both ways to write it. */
  readonly text: string
}

/** A percent sign that begins no code stands for itself, as in the dashboard's address bar. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part.replace(/%(?![0-9a-f]{2})/gi, '%25'))
  } catch {
    throw new CommandFailure('usage', `"${part}" is not percent-encoded UTF-8: write a percent sign as %25`)
  }
}

/** No name of a file, on either machine. */
function isNoName(name: string, windows: boolean): boolean {
  return /^\.{0,2}$/.test(name) || /[/\0]/.test(name) || (windows && /[<>:"\\|?*]/.test(name))
}

/**
 * Reads `NICK/PATH`, where every character of the path stands for itself as in a listing, or `lighthouse://NICK/PATH`,
 * a URL, where `%20` is a space and a query may follow. Throws `usage`, `malformed-nickname`, and `not-a-file` for a
 * folder.
 */
export function parseFileAddress(text: string, windows = false): FileAddress {
  const url = /^lighthouse:\/\/([^#]*)/i.exec(text)?.[1]
  const [, who = '', rest = '', query = ''] = (url === undefined ? /^([^/]*)(.*)$/s : /^([^/?]*)([^?]*)(.*)$/s).exec(
    url ?? text,
  )!
  const nickname = url === undefined ? who : who.toLowerCase()
  assertNickname(nickname)
  const parts = rest.split('/').slice(1)
  const names = url === undefined ? parts : parts.map(decode)
  const name = names.at(-1) ?? ''
  if (name === '') {
    throw new CommandFailure('not-a-file', `"${text}" is a folder: name a file in it, as NICK/PATH`)
  }
  if (names.some(each => isNoName(each, false)) || isNoName(name, windows)) {
    throw new CommandFailure('usage', `"${text}" is not the path of a file`)
  }
  const path = `${names.map(each => `/${encodeURIComponent(each)}`).join('')}${query}`
  return { nickname, path, name, text: `lighthouse://${nickname}${path}` }
}
