import { isRecord, isShallow, type Json } from '../json.js'
import { isSmallOrder } from './small-order.js'
import type { MuxAgreement } from '../mux/frame.js'

/** Largest signal, in bytes of its JSON text. The hub refuses larger ones. */
export const maxSignalBytes = 65_536

/** Newest ledger block that somebody knows, signed by the hub. */
export interface LedgerHead {
  readonly seq: number
  readonly hash: string
  readonly signature: string
}

/** What the sender of a description can speak on the data channel. */
export interface MuxAbilities {
  readonly versions?: readonly number[]
  readonly rst?: boolean
  /** Whether receipts are taken on the data channel itself (frame command RCP). */
  readonly receipts?: boolean
  /** In an answer: whether its sender greets. */
  readonly greet?: boolean
}

/**
 * What an offer or an answer carries. `sdp` is gzipped, then base64. Kept as it was received, members that this version
 * does not know included, since the signature covers all of it.
 */
export interface DescriptionPayload {
  readonly sdp: string
  readonly mux?: MuxAbilities
  readonly head?: LedgerHead | null
}

/** One trickled ICE candidate, as RTCIceCandidateInit. */
export interface CandidatePayload {
  readonly candidate: string
  readonly sdpMid: string | null
  readonly sdpMLineIndex: number | null
}

/** What every signal has: which connection it is about, and the keys of both sides. */
export interface Envelope {
  readonly session: string
  readonly from: string
  readonly to: string
}

/** A signal as it travels: hub and peers agree on these four shapes and nothing else. */
export type Signal =
  | (Envelope & { readonly type: 'offer' | 'answer'; readonly payload: DescriptionPayload; readonly signature: string })
  | (Envelope & { readonly type: 'candidate'; readonly payload: CandidatePayload })
  | (Envelope & { readonly type: 'bye'; readonly payload: { readonly reason: string } })

/** A signal that asks for a connection. */
export type Offer = Signal & { readonly type: 'offer' }

/** The codes with which the hub refuses a signal. */
export const signalRefusals = ['offline', 'unknown-peer', 'no-coins', 'rate-limited', 'malformed'] as const
/** One of these. */
export type SignalRefusal = (typeof signalRefusals)[number]

/** The hub's acknowledgement of a signal. */
export type SignalAck =
  { readonly delivered: true } | { readonly error: { readonly code: SignalRefusal; readonly message: string } }

/** What base64 ends with, by bytes modulo 3: padding, and before it a character whose unused bits are zero. */
const base64Ends = [/^[A-Za-z0-9+/]*$/, /^[A-Za-z0-9+/]*[AQgw]==$/, /^[A-Za-z0-9+/]*[AEIMQUYcgkosw048]=$/] as const

/** Whether a value is the one base64 text (standard, padded) of `bytes` bytes: two texts must not name the same key. */
export function isBase64Of(value: unknown, bytes: number): value is string {
  const length = Math.ceil(bytes / 3) * 4
  return typeof value === 'string' && value.length === length && base64Ends[bytes % 3]!.test(value)
}

/** Whether a value is a public key as it travels: base64 of 32 bytes, and not a point for which anybody can sign. */
export function isPublicKey(value: unknown): value is string {
  return isBase64Of(value, 32) && !isSmallOrder(value)
}

/** Whether a value is a session ID: 16 to 64 characters of base64url. */
export function isSession(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9_-]{16,64}$/.test(value)
}

/** Whether a value is a block's hash: lowercase hex of BLAKE2b-512. */
export function isBlockHash(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{128}$/.test(value)
}

/** A head as received, or undefined when it is not one. */
export function parseHead(value: unknown): LedgerHead | undefined {
  if (!isRecord(value)) return undefined
  const { seq, hash, signature } = value
  if (!Number.isSafeInteger(seq) || (seq as number) < 0) return undefined
  if (!isBlockHash(hash) || !isBase64Of(signature, 64)) return undefined
  return { seq: seq as number, hash, signature }
}

function isMux(value: unknown): value is MuxAbilities {
  if (!isRecord(value)) return false
  const { versions, rst, receipts, greet } = value
  if (rst !== undefined && typeof rst !== 'boolean') return false
  if (receipts !== undefined && typeof receipts !== 'boolean') return false
  if (greet !== undefined && typeof greet !== 'boolean') return false
  return (
    versions === undefined || (Array.isArray(versions) && versions.length <= 8 && versions.every(Number.isSafeInteger))
  )
}

function isDescription(value: unknown): value is DescriptionPayload & Json {
  if (!isRecord(value) || typeof value.sdp !== 'string' || value.sdp.length > maxSignalBytes) return false
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(value.sdp)) return false
  if (value.mux !== undefined && !isMux(value.mux)) return false
  if (value.head !== undefined && value.head !== null && parseHead(value.head) === undefined) return false
  return isShallow(value as Json, 4)
}

function parseCandidate(value: unknown): CandidatePayload | undefined {
  if (!isRecord(value)) return undefined
  const { candidate, sdpMid = null, sdpMLineIndex = null } = value
  if (typeof candidate !== 'string' || candidate.length > 1024) return undefined
  if (sdpMid !== null && (typeof sdpMid !== 'string' || !/^[\w!#$%&'*+.^`{|}~-]{0,32}$/.test(sdpMid))) return undefined
  const isIndex = Number.isInteger(sdpMLineIndex) && (sdpMLineIndex as number) >= 0 && (sdpMLineIndex as number) < 256
  if (sdpMLineIndex !== null && !isIndex) return undefined
  return { candidate, sdpMid, sdpMLineIndex: sdpMLineIndex as number | null }
}

/**
 * Checks everything about a signal before anything acts on it: shape, sizes, type from the list.
 * Unknown members of the envelope are dropped. Undefined when it is not a signal.
 */
export function parseSignal(value: unknown): Signal | undefined {
  if (!isRecord(value)) return undefined
  const { session, from, to, type, payload, signature } = value
  if (!isSession(session)) return undefined
  if (!isPublicKey(from) || !isPublicKey(to)) return undefined
  const envelope = { session, from, to }
  switch (type) {
    case 'offer':
    case 'answer': {
      if (!isDescription(payload) || !isBase64Of(signature, 64)) return undefined
      return { ...envelope, type, payload, signature }
    }
    case 'candidate': {
      const candidate = parseCandidate(payload)
      return candidate && { ...envelope, type, payload: candidate }
    }
    case 'bye': {
      const reason = isRecord(payload) && typeof payload.reason === 'string' ? payload.reason.slice(0, 200) : ''
      return { ...envelope, type, payload: { reason } }
    }
    default:
      return undefined
  }
}

/** The highest version both sides speak, and which of the rest holds between them. A side that does not name versions speaks version 1. */
export function agreeMux(own: MuxAbilities, other: MuxAbilities = {}): Required<MuxAgreement> | undefined {
  const { versions: spoken = [1] } = other
  const { versions = [1] } = own
  const common = ([2, 1] as const).find(version => versions.includes(version) && spoken.includes(version))
  return (
    common && {
      version: common,
      rst: own.rst === true && other.rst === true,
      receipts: own.receipts === true && other.receipts === true,
      greet: own.greet === true || other.greet === true,
    }
  )
}
