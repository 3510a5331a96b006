/** The sites of other peers: what the user said about them, and what their pages may do. */
import type { GuardedRequest } from '../protocol/http/guard.js'

/** What the user said about another peer's own site: its pages may run what they bring, or not. */
export type SiteChoice = 'trusted' | 'plain'

/** What the user said about the sites of other peers, by their keys. */
export interface SiteStore {
  /** Undefined while he has not been asked. */
  choice(key: string): SiteChoice | undefined
  /** Throws `store-failed`. */
  choose(key: string, choice: SiteChoice): void
  /** The user is asked again. Throws `store-failed`. */
  forget(key: string): void
}

/** What pages of other peers may do: run what they bring, and fetch on their own. */
export interface Sites {
  /** What the user said about that peer's site; undefined while he has not, or its key is not known. */
  choice(nickname: string): SiteChoice | undefined
  /** Nothing while its key is not known. */
  choose(nickname: string, choice: SiteChoice): void
  /** Whether the answer to a request for `path` there is counted, and whether there is something left for it. */
  judge(nickname: string, request: GuardedRequest, path: string): 'free' | 'counted' | 'refused'
  /** After so many bytes of a counted answer; false when nothing is left for more. */
  count(nickname: string, bytes: number): boolean
  /** The user allows the pages of that peer as much again. */
  allowMore(nickname: string): void
}
