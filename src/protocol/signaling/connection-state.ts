import type { LighthouseError } from '../errors.js'
import type { MuxAgreement } from '../mux/frame.js'

/**
 * Life of one WebRTC connection; each state carries exactly what exists in it.
 *
 *     resolving → offering → connecting → open → closed          the side that offers
 *                            connecting → open → closed          the side that answers
 *
 * Every state but the last can also go to `closed` directly, with the reason.
 */
export type ConnectionState<Channel> =
  | { readonly type: 'resolving'; readonly nickname: string }
  | { readonly type: 'offering'; readonly session: string; readonly pubKey: string }
  | { readonly type: 'connecting'; readonly session: string; readonly pubKey: string }
  | {
      readonly type: 'open'
      readonly session: string
      readonly pubKey: string
      /** The hub over which it was made. */
      readonly hubKey: string
      readonly channel: Channel
      /** The WebRTC implementation on this side. */
      readonly engine: string
      readonly agreement: MuxAgreement
    }
  | { readonly type: 'closed'; readonly reason: LighthouseError }
