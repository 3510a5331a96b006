/** Which of several processes keeps the session of a key, when more than one holds it. */

/** What a process says on a key's channel when a session of the key begins there. */
export interface Claim {
  /** The process that says it, and the number of the session there. */
  readonly process: string
  readonly session: number
  /** When the session began, by that process's clock, in milliseconds since 1970. */
  readonly sinceMs: number
}

/** A claim as heard. A fresh one is of a session that just began; others are said again after an outage. */
export interface HeardClaim extends Claim {
  readonly fresh: boolean
}

/** A session that this process holds. */
export interface Holding extends Claim {
  /** Whether no claim of its own is under way. */
  readonly settled: boolean
}

/**
 * `settle`: this was our own claim. `yield`: the other session takes over. `answer`: ours is the newer one, and the other
 * process has to be told so.
 */
export type Judgement = 'ignore' | 'settle' | 'yield' | 'answer'

function beganLater(claim: Claim, than: Claim): boolean {
  return claim.sinceMs === than.sinceMs ? claim.process > than.process : claim.sinceMs > than.sinceMs
}

/**
 * Decides on a claim to the key of `mine`. All processes hear the claims to a key in one order, each from before it makes
 * its own, so that no clock decides between fresh claims: the last one wins. Who hears another claim before its own came
 * back knows that its own is later, and that the other process will hear it: of two claims that cross, only the one who
 * made the earlier judges, so that they never give way to each other. Clocks decide only between sessions that began while
 * the processes could not hear each other.
 */
export function judgeClaim(mine: Holding, theirs: HeardClaim): Judgement {
  if (theirs.process === mine.process) return theirs.session === mine.session ? 'settle' : 'ignore'
  if (!mine.settled) return 'ignore'
  return theirs.fresh || beganLater(theirs, mine) ? 'yield' : 'answer'
}
