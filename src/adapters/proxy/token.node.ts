import { createHash, timingSafeEqual } from 'node:crypto'

/** Whether this is the token, in a time that does not say how much of it fits. */
export function isToken(presented: unknown, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(String(presented)), digest(token))
}
