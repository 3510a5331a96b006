import type { MonotonicClock } from '../../ports.js'
import type { SiteChoice, Sites, SiteStore } from '../../ports/sites.js'
import {
  allowPageBytes,
  judgeSpending,
  leftPageBytes,
  noPageSpending,
  type PageSpending,
  spendPageBytes,
} from '../../protocol/http/page-spending.js'

/** Choices for as long as the object lives. */
export function createMemorySites(): SiteStore {
  const choices = new Map<string, SiteChoice>()
  return {
    choice: key => choices.get(key),
    choose: (key, choice) => void choices.set(key, choice),
    forget: key => void choices.delete(key),
  }
}

/**
 * Remembers for each peer that has been connected in this run what its pages have fetched in the last hour (`page-spending`).
 *
 * @param keyOf the key of a peer that there is a connection to.
 */
export function createSites(options: {
  readonly store: SiteStore
  readonly keyOf: (nickname: string) => string | undefined
  readonly clock: MonotonicClock
}): Sites {
  const { store, keyOf, clock } = options
  const spendings = new Map<string, PageSpending>()
  const of = (nickname: string): PageSpending => spendings.get(nickname) ?? noPageSpending
  return {
    choice(nickname) {
      const key = keyOf(nickname)
      return key === undefined ? undefined : store.choice(key)
    },
    choose(nickname, choice) {
      const key = keyOf(nickname)
      if (key !== undefined) store.choose(key, choice)
    },
    judge(nickname, request, path) {
      const [spending, verdict] = judgeSpending(of(nickname), request, path, clock.now())
      spendings.set(nickname, spending)
      return verdict
    },
    count(nickname, bytes) {
      const spending = spendPageBytes(of(nickname), bytes, clock.now())
      spendings.set(nickname, spending)
      return leftPageBytes(spending, clock.now()) > 0
    },
    allowMore: nickname => void spendings.set(nickname, allowPageBytes(of(nickname))),
  }
}
