import { LighthouseError } from '../errors.js'

const pattern = /^[a-z]+$/

/** Longest nickname, in characters: a DNS label's length, since every peer gets a host of its own. */
export const maxNicknameLength = 63

/** Whether `text` is a nickname: one or more of the letters a to z. */
export function isNickname(text: string): boolean {
  return text.length <= maxNicknameLength && pattern.test(text)
}

/** Throws `malformed-nickname`. */
export function assertNickname(text: string): void {
  if (isNickname(text)) return
  const nickname = text.slice(0, 80)
  throw new LighthouseError('malformed-nickname', `"${nickname}" is not a nickname`, { nickname })
}
