/**
 * Asking a TURN server for an allocation, to see whether it gives one with these credentials (RFC 8656 section 7, RFC 8489 section 9.2):
 *
 *     start ──request──▶ asked ──401, realm, nonce──▶ proven ──success──▶ done
 *                                                       │ └──438, another nonce──▶ proven, once
 *                                                       └──error──▶ done
 */
import { concat } from '../bytes.js'
import {
  answers,
  formatStun,
  parseStun,
  type SeenAddress,
  type StunAttribute,
  stunAttributes,
  stunLength,
  stunTypes,
  xorAddress,
} from './stun.js'

/** What makes and signs the requests. */
export interface TurnSigner {
  readonly username: string
  readonly credential: string
  readonly transactionId: () => Uint8Array
  readonly md5: (text: string) => Uint8Array
  readonly hmacSha1: (key: Uint8Array, bytes: Uint8Array) => Uint8Array
}

/** What became of it. */
export type TurnOutcome =
  | { readonly type: 'relayed'; readonly relay: SeenAddress | undefined }
  /** By an error of the server: 401 where it does not know the credentials. */
  | { readonly type: 'refused'; readonly errorCode: number; readonly reason: string }
  /** It sent what TURN does not have. */
  | { readonly type: 'malformed' }

export type Allocation =
  | { readonly type: 'asked'; readonly transactionId: Uint8Array }
  | {
      readonly type: 'proven'
      readonly transactionId: Uint8Array
      readonly realm: Uint8Array
      readonly nonce: Uint8Array
      /** How often another nonce was taken. */
      readonly renewed: number
    }
  | { readonly type: 'done'; readonly outcome: TurnOutcome }

/** The state, and what has to be sent. */
export type AllocationStep = readonly [Allocation, Uint8Array | undefined]

/** UDP, by its number among the protocols of IP. */
const relayOverUdp: StunAttribute = [stunAttributes.requestedTransport, Uint8Array.of(17, 0, 0, 0)]

/** Bytes of MESSAGE-INTEGRITY with its header. */
const integrityBytes = 24

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const bytesOf = (value: string): Uint8Array => new TextEncoder().encode(value)

function signed(
  type: number,
  transactionId: Uint8Array,
  realm: Uint8Array,
  nonce: Uint8Array,
  attributes: readonly StunAttribute[],
  { username, credential, md5, hmacSha1 }: TurnSigner,
): Uint8Array {
  const all: readonly StunAttribute[] = [
    ...attributes,
    [stunAttributes.username, bytesOf(username)],
    [stunAttributes.realm, realm],
    [stunAttributes.nonce, nonce],
  ]
  const key = md5(`${username}:${text(realm)}:${credential}`)
  // The length counts the integrity already, which covers everything before itself.
  const integrity = hmacSha1(key, formatStun(type, transactionId, all, integrityBytes))
  return formatStun(type, transactionId, [...all, [stunAttributes.messageIntegrity, integrity]])
}

/** The first request, which names nobody. */
export function startAllocation(signer: TurnSigner): AllocationStep {
  const transactionId = signer.transactionId()
  return [{ type: 'asked', transactionId }, formatStun(stunTypes.allocateRequest, transactionId, [relayOverUdp])]
}

function errorOf(value: Uint8Array | undefined): { readonly errorCode: number; readonly reason: string } | undefined {
  if (value === undefined || value.length < 4) return undefined
  // Some servers say nothing, and what they say is shown on a terminal.
  const reason = text(value.subarray(4))
    .replace(/[\p{Cc}\p{Cf}]/gu, ' ')
    .slice(0, 100)
  return { errorCode: 100 * (value[2]! & 7) + value[3]!, reason }
}

/** One step with an answer of the server. Pure and total. */
export function stepAllocation(state: Allocation, bytes: Uint8Array, signer: TurnSigner): AllocationStep {
  if (state.type === 'done') return [state, undefined]
  const message = parseStun(bytes)
  const done = (outcome: TurnOutcome): AllocationStep => [{ type: 'done', outcome }, undefined]
  if (message === undefined || !answers(bytes, state.transactionId)) return [state, undefined]
  const realm = message.attributes.get(stunAttributes.realm) ?? ('realm' in state ? state.realm : undefined)
  const nonce = message.attributes.get(stunAttributes.nonce)
  if (message.type === stunTypes.allocateSuccess) {
    if (state.type !== 'proven') return done({ type: 'relayed', relay: relayOf(message) })
    // It is given back at once: the servers of a community have few.
    const { realm: known, nonce: last } = state
    const lifetime: StunAttribute = [stunAttributes.lifetime, new Uint8Array(4)]
    const release = signed(stunTypes.refreshRequest, signer.transactionId(), known, last, [lifetime], signer)
    return [{ type: 'done', outcome: { type: 'relayed', relay: relayOf(message) } }, release]
  }
  const error = errorOf(message.attributes.get(stunAttributes.errorCode))
  if (message.type !== stunTypes.allocateError || error === undefined) return done({ type: 'malformed' })
  const renewed = state.type === 'proven' ? state.renewed + 1 : 0
  const mayGoOn = state.type === 'asked' ? error.errorCode === 401 : error.errorCode === 438 && renewed === 1
  if (!mayGoOn || realm === undefined || nonce === undefined) return done({ type: 'refused', ...error })
  const transactionId = signer.transactionId()
  const request = signed(stunTypes.allocateRequest, transactionId, realm, nonce, [relayOverUdp], signer)
  return [{ type: 'proven', transactionId, realm, nonce, renewed }, request]
}

const relayOf = (message: Parameters<typeof xorAddress>[0]): SeenAddress | undefined =>
  xorAddress(message, stunAttributes.xorRelayedAddress)

/** The messages in a stream of bytes, as over TCP and TLS: those that are whole, and what is left. */
export function splitStun(
  before: Uint8Array,
  chunk: Uint8Array,
): { readonly messages: readonly Uint8Array[]; readonly rest: Uint8Array } {
  const messages: Uint8Array[] = []
  let rest = concat([before, chunk])
  for (;;) {
    const length = stunLength(rest)
    if (length === undefined || rest.length < length) return { messages, rest }
    messages.push(rest.subarray(0, length))
    rest = rest.subarray(length)
  }
}
