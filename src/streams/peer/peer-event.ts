import { filter, map, type OperatorFunction, pipe, startWith } from 'rxjs'
import type { LighthouseError } from '../../protocol/errors.js'
import type { Evidence, EvidenceKind } from '../../protocol/ledger/evidence.js'
import type { HubState } from '../../protocol/peer/stats.js'
import type { Tunnel } from '../../protocol/tunnels/tunnels.js'
import type { PeerReport } from './peer-state.js'

/** Events for a log. */
export type PeerEvent =
  | { readonly type: 'hub'; readonly state: HubState }
  | { readonly type: 'tunnel'; readonly tunnel: Tunnel }
  | {
      readonly type: 'ended'
      /** Who was at the other end: a nickname where this peer made the connection, else a key. */
      readonly with: string
      readonly reason: LighthouseError
    }
  /**
   * Streams that were reset, for reasons of one code, the newest of which this is: reported at once, then together, at most every 10 s
   * a connection. A local program that leaves early is such a reason.
   */
  | {
      readonly type: 'streams-reset'
      /** As above. */
      readonly with: string
      readonly session: string
      readonly reason: LighthouseError
      readonly count: number
    }
  /** Something in this program threw what nobody expected. Its `cause` has the stack. What it happened in has ended. */
  | { readonly type: 'defect'; readonly reason: LighthouseError }
  /** The hub will not settle what a consumer signed, and why. */
  | { readonly type: 'receipt-refused'; readonly session: string; readonly code: string; readonly message: string }
  /** Something that the hub did: what, and its proof (docs/PROTOCOL.md says how strong it is). Each is reported once. */
  | (Evidence & { readonly type: 'evidence'; readonly hub: string })
  /** A hundred findings of this kind were reported, and there are more. */
  | { readonly type: 'evidence-left-out'; readonly hub: string; readonly kind: EvidenceKind }
  /** The ledger head that the hub shows is not signed by it, so nothing can be compared with it. Sent at each such sign-in. */
  | { readonly type: 'ledger-unchecked'; readonly hub: string; readonly reason: LighthouseError }
  /** node-datachannel cannot be loaded; wrtc is used in its place. Sent first, if at all. */
  | { readonly type: 'engine-missing'; readonly reason: LighthouseError }
  /** Receipts could not be kept; what was promised to survive may not. */
  | { readonly type: 'receipts-failed'; readonly reason: LighthouseError }

function eventOf(report: PeerReport): PeerEvent | undefined {
  switch (report.type) {
    case 'state':
      return { type: 'hub', state: report.state }
    case 'tunnel':
      return { type: 'tunnel', tunnel: report.tunnel }
    case 'ended':
      return { type: 'ended', with: 'nickname' in report ? report.nickname : report.pubKey, reason: report.reason }
    case 'resets':
      return { ...report, type: 'streams-reset' }
    case 'receipt-refused': {
      const { receipt, code, message } = report
      return { type: 'receipt-refused', session: receipt.session, code, message }
    }
    case 'left-out':
      return { type: 'evidence-left-out', hub: report.hub, kind: report.kind }
    case 'unchecked':
      return { type: 'ledger-unchecked', hub: report.hub, reason: report.reason }
    case 'defect':
    case 'evidence':
    case 'receipts-failed':
      return report
    case 'attempt':
    case 'balance':
    case 'hub-connection':
    case 'settled':
    case 'signal':
    case 'stats':
    case 'udp':
      return undefined
  }
}

/**
 * The reports that a log shows, as its events. Where the usual WebRTC implementation cannot be loaded that comes first. Buffers
 * nothing; ends and errors with its source.
 */
export function toPeerEvents(missingEngine: LighthouseError | undefined): OperatorFunction<PeerReport, PeerEvent> {
  return pipe(
    map(eventOf),
    filter(event => event !== undefined),
    startWith(...(missingEngine === undefined ? [] : [{ type: 'engine-missing' as const, reason: missingEngine }])),
  )
}
