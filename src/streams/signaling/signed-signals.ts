import { concatMap, EMPTY, type Observable, throwError } from 'rxjs'
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
import { descriptionText } from '../../protocol/signaling/signed-texts.js'

/** What every signal of one session shares. */
export interface SignalContext {
  readonly identity: Identity
  readonly crypto: CryptoPort
  readonly hubKey: string
  readonly head: LedgerHead | undefined
  readonly session: string
  /** Public key of the other side. */
  readonly other: string
}

function digest(crypto: CryptoPort, payload: DescriptionPayload): string {
  return crypto.sha256(canonicalJson(payload as unknown as Json))
}

/** A local description or candidate as the signal that carries it, signed where the protocol requires it. */
export function toSignal(context: SignalContext, signal: RtcSignal, mux: MuxAbilities): Signal {
  const { identity, crypto, hubKey, head, session, other } = context
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
export function openDescription(
  context: SignalContext,
  signal: Signal & { readonly type: 'offer' | 'answer' },
): RtcSignal {
  const { identity, crypto, hubKey, session, other } = context
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
