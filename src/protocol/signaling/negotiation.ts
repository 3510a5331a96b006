/**
 * How two sides agree on a connection, as one of them sees it: the one union of its states, and its one step.
 *
 *     called ──────────────offer──▶ agreed ──channel──▶ open
 *     making ──own offer──▶ offered ──answer──▶ agreed
 *
 * Each but `open` can fail. A side that gives up, or fails, says goodbye to the other one if that knows of it by then.
 */
import { LighthouseError } from '../errors.js'
import type { MuxAgreement } from '../mux/frame.js'
import { agreeMux, type MuxAbilities } from './signal.js'

/** What this project speaks on the data channel. */
export const ownMux: MuxAbilities = { versions: [1, 2], rst: true, receipts: true }

/** What is known of this side. */
interface Own {
  /** The WebRTC implementation. */
  readonly engine: string
  readonly mux: MuxAbilities
}

export type Negotiation =
  /** Nobody else knows of it. */
  | (Own & { readonly type: 'making' })
  /** The other side has made an offer, which has not been checked yet. */
  | (Own & { readonly type: 'called' })
  | (Own & { readonly type: 'offered' })
  /** Each side has the other's description. */
  | (Own & { readonly type: 'agreed'; readonly theirs: MuxAbilities })
  /** Does not depend on the hub any more: what becomes of signals does not matter, and the hub could forge a goodbye. */
  | (Own & { readonly type: 'open' })
  | { readonly type: 'failed'; readonly goodbye: string | undefined }

/** What happens. `Signal` is a description or candidate of WebRTC. */
export type NegotiationEvent<Signal, Channel> =
  /** WebRTC has begun. `greets`: as the side that answers it has to greet. */
  | { readonly type: 'engine'; readonly name: string; readonly greets: boolean }
  /** WebRTC has a signal for the other side. */
  | { readonly type: 'local'; readonly signal: Signal }
  /** The other side's description, whose signature was checked. */
  | { readonly type: 'description'; readonly signal: Signal; readonly mux: MuxAbilities }
  | { readonly type: 'candidate'; readonly signal: Signal }
  | { readonly type: 'bye'; readonly reason: string }
  /** The hub did not deliver a signal. */
  | { readonly type: 'undelivered'; readonly reason: LighthouseError }
  | { readonly type: 'opened'; readonly channel: Channel }

/** What has to be done, in this order. */
export type NegotiationEffect<Signal, Channel> =
  | { readonly type: 'send'; readonly signal: Signal; readonly mux: MuxAbilities }
  /** Hands WebRTC what came from the other side. */
  | { readonly type: 'hand-over'; readonly signal: Signal }
  /** The offer goes out. */
  | { readonly type: 'connecting' }
  | { readonly type: 'open'; readonly channel: Channel; readonly engine: string; readonly agreement: MuxAgreement }
  | { readonly type: 'fail'; readonly reason: LighthouseError }

/** The state after an event, and what has to be done. */
export type NegotiationStep<Signal, Channel> = readonly [Negotiation, readonly NegotiationEffect<Signal, Channel>[]]

/** The reason to send to the other side when a connection ends in this state; undefined where none is sent. */
export function goodbyeOf(state: Negotiation): string | undefined {
  if (state.type === 'failed') return state.goodbye
  return state.type === 'making' || state.type === 'open' ? undefined : 'the attempt was cancelled'
}

function fail(state: Negotiation, reason: LighthouseError): NegotiationStep<never, never> {
  const usual = goodbyeOf(state)
  // The other side learns what this one does not accept, and not why its network fails.
  const goodbye = usual !== undefined && reason.code === 'peer-refused' ? reason.message : usual
  return [{ type: 'failed', goodbye }, [{ type: 'fail', reason }]]
}

function noCommonVersion(): LighthouseError {
  return new LighthouseError('peer-refused', 'the other peer speaks no version of the stream layer that this one does')
}

/** @param role of this side: who offers knows alone of the connection at first. */
export function newNegotiation(role: 'offering' | 'answering'): Negotiation {
  return { type: role === 'offering' ? 'making' : 'called', engine: 'unknown', mux: ownMux }
}

/** One step of a negotiation. Pure and total. */
export function stepNegotiation<Signal extends { readonly type: string }, Channel>(
  state: Negotiation,
  event: NegotiationEvent<Signal, Channel>,
): NegotiationStep<Signal, Channel> {
  if (state.type === 'failed') return [state, []]
  const { mux, engine } = state
  switch (event.type) {
    case 'engine':
      return [{ ...state, engine: event.name, mux: event.greets ? { ...mux, greet: true } : mux }, []]
    case 'local': {
      const send = { type: 'send', signal: event.signal, mux } as const
      if (state.type !== 'making' || event.signal.type !== 'offer') return [state, [send]]
      return [{ ...state, type: 'offered' }, [send, { type: 'connecting' }]]
    }
    case 'description': {
      const { signal, mux: theirs } = event
      if (state.type !== 'offered' && state.type !== 'called') return [state, []]
      if (agreeMux(mux, theirs) === undefined) return fail(state, noCommonVersion())
      return [{ type: 'agreed', engine, mux, theirs }, [{ type: 'hand-over', signal }]]
    }
    case 'candidate':
      return [state, [{ type: 'hand-over', signal: event.signal }]]
    case 'bye':
      return state.type === 'open'
        ? [state, []]
        : fail(state, new LighthouseError('peer-refused', event.reason || 'the other peer refused'))
    case 'undelivered':
      return state.type === 'open' ? [state, []] : fail(state, event.reason)
    case 'opened': {
      if (state.type === 'open') return [state, []]
      if (state.type !== 'agreed') {
        return fail(state, new LighthouseError('webrtc-failed', 'the channel opened before the answer came'))
      }
      const agreement = agreeMux(mux, state.theirs)
      if (agreement === undefined) return fail(state, noCommonVersion())
      return [{ type: 'open', engine, mux }, [{ type: 'open', channel: event.channel, engine, agreement }]]
    }
  }
}
