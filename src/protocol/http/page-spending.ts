/**
 * What another person's page may fetch on its own: by script, images, frames, redirects. What the user opened himself, and what
 * programs ask for, is not counted.
 */
import type { GuardedRequest } from './guard.js'

/** Bytes that the pages of one peer may fetch without the user's doing in an hour. */
export const pageBytesAnHour = 10_000_000

const minuteMs = 60_000

/** Addresses that the user opened lately: a film is fetched by the page that the browser makes of it. */
const rememberedPaths = 16

/** What the pages of one peer have spent, by the minute, and what the user opened there. */
export interface PageSpending {
  /** Newest first, of the last hour only. */
  readonly spent: readonly { readonly minute: number; readonly bytes: number }[]
  /** Newest first. */
  readonly openedPaths: readonly string[]
}

export const noPageSpending: PageSpending = { spent: [], openedPaths: [] }

/** What is left of the hour's bytes; below zero when more was spent. */
export function leftPageBytes({ spent }: PageSpending, nowMs: number): number {
  const oldest = Math.floor(nowMs / minuteMs) - 60
  return spent.reduce((left, { minute, bytes }) => (minute >= oldest ? left - bytes : left), pageBytesAnHour)
}

/** Whether the user asked: by a click, or by the address bar. Who sends no `Sec-Fetch-*` is a program of the user's. */
function isUsersDoing({ secFetchDest, secFetchMode, secFetchSite, secFetchUser }: GuardedRequest): boolean {
  if (secFetchDest === undefined) return true
  return (
    secFetchMode === 'navigate' && secFetchDest === 'document' && (secFetchUser === '?1' || secFetchSite === 'none')
  )
}

/**
 * Judges a request for `path`: whether its answer is counted, and whether there is something left for it.
 */
export function judgeSpending(
  spending: PageSpending,
  request: GuardedRequest,
  path: string,
  nowMs: number,
): readonly [PageSpending, 'free' | 'counted' | 'refused'] {
  const { secFetchDest } = request
  if (isUsersDoing(request)) {
    if (secFetchDest === undefined) return [spending, 'free']
    const others = spending.openedPaths.filter(other => other !== path)
    return [{ ...spending, openedPaths: [path, ...others].slice(0, rememberedPaths) }, 'free']
  }
  const isMedia = secFetchDest === 'video' || secFetchDest === 'audio' || secFetchDest === 'image'
  if (isMedia && spending.openedPaths.includes(path)) return [spending, 'free']
  return [spending, leftPageBytes(spending, nowMs) > 0 ? 'counted' : 'refused']
}

/** After so many bytes of a counted answer. */
export function spendPageBytes(spending: PageSpending, bytes: number, nowMs: number): PageSpending {
  const now = Math.floor(nowMs / minuteMs)
  const [newest, ...older] = spending.spent
  const spent =
    newest?.minute === now
      ? [{ minute: now, bytes: newest.bytes + bytes }, ...older]
      : [{ minute: now, bytes }, ...spending.spent.filter(({ minute }) => minute >= now - 60)]
  return { ...spending, spent }
}

/** After the user has allowed as much again. */
export function allowPageBytes(spending: PageSpending): PageSpending {
  return { ...spending, spent: [] }
}
