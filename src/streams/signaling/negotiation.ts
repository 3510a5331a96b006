import {
  concatMap,
  defer,
  EMPTY,
  filter,
  map,
  merge,
  mergeMap,
  type MonoTypeOperatorFunction,
  type Observable,
  of,
  take,
  takeUntil,
  throwError,
} from 'rxjs'
import type { CryptoPort, RtcSignal, SignalConnection } from '../../ports.js'
import { LighthouseError } from '../../protocol/errors.js'
import { canonicalJson, type Json } from '../../protocol/json.js'
import type { Identity } from '../../protocol/peer/metadata.js'
import {
  type DescriptionPayload,
  isBase64Of,
  type LedgerHead,
  type MuxAbilities,
  type Signal,
  type SignalRefusal,
} from '../../protocol/signaling/signal.js'
import type { AddressScope } from '../../protocol/signaling/address-scope.js'
import { maxRemoteCandidates, passCandidate, passDescription } from '../../protocol/signaling/candidate-gate.js'
import { descriptionText } from '../../protocol/signaling/signed-texts.js'

/** What every signal of one negotiation shares. */
export interface Parties {
  readonly identity: Identity
  readonly crypto: CryptoPort
  readonly hubKey: string
  readonly head: LedgerHead | undefined
  readonly session: string
  readonly other: string
}

/** What this project speaks on the data channel. */
export const ownMux: MuxAbilities = { versions: [1, 2], rst: true, receipts: true }

function digest(crypto: CryptoPort, payload: DescriptionPayload): string {
  return crypto.sha256(canonicalJson(payload as unknown as Json))
}

/** A local description or candidate as the signal that carries it, signed where the protocol says so. */
export function toSignal(parties: Parties, signal: RtcSignal, mux: MuxAbilities): Signal {
  const { identity, crypto, hubKey, head, session, other } = parties
  const envelope = { session, from: identity.pubKey, to: other }
  if (signal.type === 'candidate') {
    const { candidate, sdpMid, sdpMLineIndex } = signal
    return { ...envelope, type: 'candidate', payload: { candidate, sdpMid, sdpMLineIndex } }
  }
  const payload = { sdp: crypto.packSdp(signal.sdp), mux, head: head ?? null }
  const text = descriptionText(signal.type, { hubKey, ...envelope, payloadDigest: digest(crypto, payload) })
  return { ...envelope, type: signal.type, payload, signature: crypto.sign(identity.privKey, text) }
}

/** Checks the signature of an offer or answer by the key known for its sender, and unpacks it. Throws `bad-signature` or `malformed-signal`. */
export function openDescription(parties: Parties, signal: Signal & { readonly type: 'offer' | 'answer' }): RtcSignal {
  const { identity, crypto, hubKey, session, other } = parties
  const payloadDigest = digest(crypto, signal.payload)
  const text = descriptionText(signal.type, { hubKey, session, from: other, to: identity.pubKey, payloadDigest })
  if (!isBase64Of(signal.signature, 64) || !crypto.verify(other, text, signal.signature)) {
    const message = `the ${signal.type} is not signed by the key of the peer it claims to be from: the hub, or somebody in between, changed it`
    throw new LighthouseError('bad-signature', message)
  }
  const sdp = crypto.unpackSdp(signal.payload.sdp)
  if (sdp === undefined) throw new LighthouseError('malformed-signal', `the ${signal.type} does not unpack`)
  return { type: signal.type, sdp }
}

const refusals: Readonly<Record<SignalRefusal, (what: string) => LighthouseError>> = {
  offline: what => new LighthouseError('peer-offline', `${what} is not online; ask its owner to start it`),
  'unknown-peer': what => new LighthouseError('unknown-nickname', `the hub does not know ${what}`),
  'no-coins': () =>
    new LighthouseError('no-coins', 'your wallet holds less than one coin; share something to earn more'),
  'rate-limited': () => new LighthouseError('rate-limited', 'the hub asks to slow down; try again in a minute'),
  malformed: () =>
    new LighthouseError('hub-protocol', 'the hub did not understand the signal; is it of the same version?'),
}

/** Sends a signal and errors when the hub refuses it; emits nothing, completes when it is delivered. */
export function deliver$(connection: SignalConnection, signal: Signal, what: string): Observable<never> {
  return connection
    .send$(signal)
    .pipe(concatMap(ack => ('error' in ack ? throwError(() => refuse(ack.error.code, what)) : EMPTY)))
}

function refuse(code: SignalRefusal, what: string): LighthouseError {
  return (Object.hasOwn(refusals, code) ? refusals[code] : refusals.malformed)(what)
}

/**
 * The one way in for addresses that the other side names, in its description or one by one: those that may be tried, forty in all.
 * Holds a number.
 *
 * @param hub how far the address of the hub reaches.
 */
export function throughGate(hub: AddressScope): MonoTypeOperatorFunction<RtcSignal> {
  return signal$ =>
    defer(() => {
      let left = maxRemoteCandidates
      return signal$.pipe(
        concatMap(signal => {
          if (signal.type !== 'candidate') {
            const { sdp, candidates } = passDescription(signal.sdp, hub, left)
            left -= candidates
            return of({ ...signal, sdp })
          }
          const candidate = left > 0 ? passCandidate(signal.candidate, hub) : undefined
          if (candidate === undefined) return EMPTY
          left--
          return of({ ...signal, candidate })
        }),
      )
    })
}

/**
 * The other side's signals of this session: at most one answer, checked, and candidates. A goodbye before `opened$` emits is
 * an error, `peer-refused`; later ones end nothing, since the hub could forge them.
 */
export function remoteSignals$(
  parties: Parties,
  signal$: Observable<Signal>,
  onAnswer: (payload: DescriptionPayload) => void,
  opened$: Observable<unknown>,
): Observable<RtcSignal> {
  return defer(() => {
    const own$ = signal$.pipe(
      filter(({ session, from: sender }) => session === parties.session && sender === parties.other),
    )
    const answer$ = own$.pipe(
      filter((signal): signal is Signal & { type: 'answer' } => signal.type === 'answer'),
      take(1),
      mergeMap(signal => {
        const description = openDescription(parties, signal)
        onAnswer(signal.payload)
        return of(description)
      }),
    )
    const candidate$ = own$.pipe(
      filter((signal): signal is Signal & { type: 'candidate' } => signal.type === 'candidate'),
      map(({ payload }): RtcSignal => ({ type: 'candidate', ...payload })),
    )
    const bye$ = own$.pipe(
      filter((signal): signal is Signal & { type: 'bye' } => signal.type === 'bye'),
      takeUntil(opened$),
      take(1),
      mergeMap(({ payload }) =>
        throwError(() => new LighthouseError('peer-refused', payload.reason || 'the other peer refused')),
      ),
    )
    return merge(answer$, candidate$, bye$)
  })
}
