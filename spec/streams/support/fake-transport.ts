import { NEVER, Observable, of, type Subscriber } from 'rxjs'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import type { SignalConnection, SignalTransport, SignalTransportEvent } from '../../../src/ports.js'
import type { Identity } from '../../../src/protocol/peer/metadata.js'
import { authText, hubChallengeText } from '../../../src/protocol/signaling/signed-texts.js'

/** Keys for a whole spec: making them is slow. */
export function newIdentity(nickname: string): Identity {
  return { ...nodeCrypto.generateKeyPair(), nickname, host: '127.0.0.1:3000' }
}

/** One connection to the hub, played by the spec. */
export interface FakeLink {
  readonly pubKey: string
  readonly open: boolean
  emit(event: SignalTransportEvent): void
  fail(error: unknown): void
}

export interface FakeTransport extends SignalTransport {
  readonly links: readonly FakeLink[]
  /** The newest link. */
  readonly link: FakeLink
}

export function fakeTransport(): FakeTransport {
  const links: FakeLink[] = []
  return {
    links,
    get link() {
      return links.at(-1)!
    },
    connect$: pubKey =>
      new Observable((subscriber: Subscriber<SignalTransportEvent>) => {
        links.push({
          pubKey,
          get open() {
            return !subscriber.closed
          },
          emit: event => subscriber.next(event),
          fail: error => subscriber.error(error),
        })
      }),
  }
}

type Challenge = SignalTransportEvent & { readonly type: 'challenge' }
type Welcome = SignalTransportEvent & { readonly type: 'authenticated' }

/** A hub's signing half. */
export interface FakeHub {
  readonly pubKey: string
  readonly challenge: string
  readonly connection: SignalConnection
  readonly welcome: Welcome
  challengeFor(pubKey: string): Challenge
  /** Whether the last answer proves the key. */
  accepted(pubKey: string): boolean
}

export function fakeHub(keys = nodeCrypto.generateKeyPair()): FakeHub {
  const challenge = nodeCrypto.randomId(256)
  const answers: string[] = []
  const connection: SignalConnection = { send$: () => of({ delivered: true }), settle$: () => NEVER }
  const challengeFor = (pubKey: string): Challenge => ({
    type: 'challenge',
    challenge,
    hubKey: keys.pubKey,
    signature: nodeCrypto.sign(keys.privKey, hubChallengeText(challenge, pubKey)),
    respond: signature => answers.push(signature),
  })
  const welcome: Welcome = {
    type: 'authenticated',
    coins: '61.947635',
    iceServers: [],
    head: null,
    connection,
  }
  return {
    pubKey: keys.pubKey,
    challenge,
    connection,
    challengeFor,
    welcome,
    accepted: (pubKey: string): boolean =>
      nodeCrypto.verify(pubKey, authText(keys.pubKey, challenge), answers.at(-1) ?? ''),
  }
}
