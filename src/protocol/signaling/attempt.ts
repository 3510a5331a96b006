/** How far an attempt at a connection came, and which addresses each side named: what its failure is judged by. */

/** In the order in which an attempt passes them. The side that answers begins with `connecting`, and has the description at once. */
export const attemptPhases = ['resolving', 'offering', 'connecting', 'delivered', 'answered', 'open'] as const

/** One of these. */
export type AttemptPhase = (typeof attemptPhases)[number]

/** What kind of address a candidate is (RFC 8445): of the machine, as a STUN server sees it, of a TURN server. */
export type CandidateKind = 'host' | 'srflx' | 'relay'

/** How an attempt gets on, beside its states. */
export type ProgressEvent =
  /** The hub has delivered the offer. */
  | { readonly type: 'delivered' }
  /** The other side's description came, an answer or the offer, and its signature is right: only a path is missing. */
  | { readonly type: 'answered' }
  /** A side has named addresses. */
  | { readonly type: 'candidates'; readonly side: 'own' | 'other'; readonly kinds: readonly CandidateKind[] }

/** An attempt so far. */
export interface Attempt {
  readonly phase: AttemptPhase
  /** Kinds of addresses that this side has named, and the other one. */
  readonly own: ReadonlySet<CandidateKind>
  readonly other: ReadonlySet<CandidateKind>
}

/** An attempt that has not begun. */
export const newAttempt: Attempt = { phase: 'resolving', own: new Set(), other: new Set() }

/** The attempt after an event of its connection. It never goes back to an earlier phase. */
export function stepAttempt(
  attempt: Attempt,
  event: ProgressEvent | { readonly type: Exclude<string, 'candidates'> },
): Attempt {
  if ('kinds' in event) return { ...attempt, [event.side]: new Set([...attempt[event.side], ...event.kinds]) }
  const at = attemptPhases.indexOf(event.type as AttemptPhase)
  return at > attemptPhases.indexOf(attempt.phase) ? { ...attempt, phase: attemptPhases[at]! } : attempt
}

/** The kinds of the candidates in a description, or of one candidate. */
export function candidateKinds(text: string): readonly CandidateKind[] {
  return [...new Set([...text.matchAll(/ typ (host|srflx|relay)\b/g)].map(([, kind]) => kind as CandidateKind))]
}
