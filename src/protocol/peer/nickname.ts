/**
 * Nicknames. Each is a label of a host name too (RFC 1123, section 2.1), since every peer gets a host of its own.
 */
import { LighthouseError } from '../errors.js'

const pattern = /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** Of what a nickname is made, for messages. */
export const nicknameRule = 'letters a to z, digits and hyphens, at most 63: a letter first, and no hyphen last'

/** Why `text` is no nickname, as what follows its name in a sentence; undefined when it is one. */
export function nicknameFlaw(text: string): string | undefined {
  if (!pattern.test(text)) return `must be ${nicknameRule}`
  // What follows `lighthouse://` is a nickname, or the word with which invitations begin.
  if (text === 'join') return 'must not be "join", with which invitations begin'
  // The ASCII form of a name in another script (RFC 5890): not what was typed is what the reader would see.
  return text.startsWith('xn--') ? 'must not begin with "xn--", which browsers show as another name' : undefined
}

/** Whether `text` is a nickname. */
export function isNickname(text: string): boolean {
  return nicknameFlaw(text) === undefined
}

/** Throws `own-nickname`, or what `assertNickname` does, for what is not the nickname of another peer. */
export function assertOther(nickname: string, own: string): void {
  assertNickname(nickname)
  if (nickname === own) throw new LighthouseError('own-nickname', `"${nickname}" is you`, { nickname })
}

/** Throws `malformed-nickname` with the rule. */
export function assertNickname(text: string): void {
  const flaw = nicknameFlaw(text)
  if (flaw === undefined) return
  const nickname = text.slice(0, 80)
  throw new LighthouseError('malformed-nickname', `"${nickname}" is not a nickname: it ${flaw}`, { nickname })
}
