/** What a peer tells `doctor`: its settings, and how a connection to another peer is made. Plain JSON. */
import type { ErrorCode } from '../errors.js'
import type { HubState } from '../peer/stats.js'
import type { AttemptPhase, CandidateKind } from '../signaling/attempt.js'
import type { IceServerShape } from '../signaling/ice-servers.js'

/** What a running peer has been given. */
export interface PeerFacts {
  readonly hub: HubState
  /** Its own servers and those that the hub hands out, with their credentials; none while it is signed out. */
  readonly iceServers: readonly IceServerShape[]
  /** As configured: 0 where the system chooses. */
  readonly ports: { readonly proxy: number; readonly tunnels: readonly number[]; readonly data: number }
  readonly share:
    | { readonly type: 'folder'; readonly path: string }
    | { readonly type: 'tcp'; readonly host: string; readonly port: number }
    | null
  readonly relayOnly: boolean
}

/** What happens while a peer connects to another one to see whether it can. `ms` counts from the start. */
export type ProbeEvent = { readonly ms: number } & (
  | { readonly type: 'phase'; readonly phase: Exclude<AttemptPhase, 'resolving'> }
  | { readonly type: 'candidates'; readonly side: 'own' | 'other'; readonly kinds: readonly CandidateKind[] }
  | { readonly type: 'path'; readonly kind: string; readonly roundTripMs: number | undefined }
  /** The first bytes of what is shared there: the status of HTTP, undefined for anything else. */
  | { readonly type: 'answer'; readonly status: number | undefined }
  | {
      readonly type: 'failed'
      readonly code: ErrorCode
      readonly message: string
      readonly next: string | undefined
    }
)

/** One event of a probe as it travels; undefined for anything else. */
export function parseProbeEvent(members: Readonly<Record<string, unknown>>): ProbeEvent | undefined {
  const { type, ms } = members
  const isKnown = ['phase', 'candidates', 'path', 'answer', 'failed'].includes(String(type))
  return isKnown && typeof ms === 'number' ? (members as unknown as ProbeEvent) : undefined
}
