/**
 * A peer that does what a test tells it to: signs in as the protocol says, over socket.io, and then sends whatever it is
 * given. It has no WebRTC.
 */
import { filter, firstValueFrom, ReplaySubject } from 'rxjs'
import { io, type Socket } from 'socket.io-client'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import { canonicalJson, type Json } from '../../../src/protocol/json.js'
import { authText, descriptionText, registerText } from '../../../src/protocol/signaling/signed-texts.js'

/** A signal as it arrives. */
export interface Heard {
  readonly type: string
  readonly session: string
  readonly from: string
  readonly to: string
  readonly payload: Readonly<Record<string, unknown>>
}

export interface ScriptedPeer {
  readonly pubKey: string
  /** The first signal that fits, past or to come. */
  heard(fits: (signal: Heard) => boolean): Promise<Heard>
  /** Sends an envelope to the key, as it is; the hub's acknowledgement. */
  send(to: string, signal: Readonly<Record<string, unknown>>): Promise<unknown>
  /** An offer or answer with this SDP, packed, properly signed unless told otherwise. */
  describe(
    type: 'offer' | 'answer',
    to: string,
    session: string,
    sdp: string,
    options?: { readonly signature?: string; readonly packed?: boolean },
  ): Promise<unknown>
  close(): void
}

/** A description of a data channel that no connection is behind. */
export const lonelySdp = [
  'v=0',
  'o=- 4611731400430051336 2 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=group:BUNDLE 0',
  'a=msid-semantic: WMS',
  'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
  'c=IN IP4 0.0.0.0',
  'a=ice-ufrag:abcd',
  'a=ice-pwd:abcdefghijklmnopqrstuvwx',
  'a=ice-options:trickle',
  `a=fingerprint:sha-256 ${Array.from({ length: 32 }, () => 'AB').join(':')}`,
  'a=setup:actpass',
  'a=mid:0',
  'a=sctp-port:5000',
  'a=max-message-size:262144',
  '',
].join('\r\n')

interface Challenge {
  readonly challenge: string
  readonly hub_key: string
}

async function signIn(socket: Socket, privKey: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let hubKey = ''
    socket.once('challenge', (challenge: Challenge, acknowledge: (signature: string) => void) => {
      hubKey = challenge.hub_key
      acknowledge(nodeCrypto.sign(privKey, authText(hubKey, challenge.challenge)))
    })
    socket.once('authenticated', () => resolve(hubKey))
    socket.once('connect_error', reject)
  })
}

/** Registers the nickname with a fresh key and signs in. */
export async function scriptedPeer(hubUrl: string, nickname: string): Promise<ScriptedPeer> {
  const { pubKey, privKey } = nodeCrypto.generateKeyPair()
  const signature = nodeCrypto.sign(privKey, registerText(nickname, pubKey))
  const { status } = await fetch(`${hubUrl}/v1/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ pub_key: pubKey, nickname, signature }),
  })
  if (status !== 201) throw new Error(`${nickname} could not be registered: ${status}`)
  const socket = io(hubUrl, {
    auth: { pub_key: pubKey },
    forceNew: true,
    reconnection: false,
    transports: ['websocket'],
  })
  const signal$ = new ReplaySubject<Heard>()
  socket.on('signal', (signal: Heard) => signal$.next(signal))
  const hubKey = await signIn(socket, privKey)
  const send = (to: string, signal: Readonly<Record<string, unknown>>): Promise<unknown> =>
    socket.emitWithAck('signal', { from: pubKey, to, ...signal })
  return {
    pubKey,
    send,
    heard: fits => firstValueFrom(signal$.pipe(filter(fits))),
    describe(type, to, session, sdp, { signature: forged, packed = true } = {}) {
      const payload: Json = {
        sdp: packed ? nodeCrypto.packSdp(sdp) : sdp,
        mux: { versions: [1, 2], rst: true },
        head: null,
      }
      const payloadDigest = nodeCrypto.sha256(canonicalJson(payload))
      const text = descriptionText(type, { hubKey, session, from: pubKey, to, payloadDigest })
      return send(to, { type, session, payload, signature: forged ?? nodeCrypto.sign(privKey, text) })
    },
    close: () => void socket.disconnect(),
  }
}
