/**
 * What the compiler knows of the public API, from outside. It is compiled against the packed package, and not run: a line that
 * does not compile, and a mistake that does, is an error.
 */
import type { Socket } from 'node:net'
import {
  createPeer$,
  type Identity,
  isLighthouseError,
  type Peer,
  type PeerEvent,
  register$,
  type Tunnel,
} from 'lighthouse-peer'
import { createHub$, createInvites$, type Hub } from 'lighthouse-peer/hub'
import { type ByteChannel, memoryChannelPair, type MuxReport, muxSession$, rtcChannel$ } from 'lighthouse-peer/mux'
import { nodeTcp, tcpChannel$, type TcpListenEvent } from 'lighthouse-peer/mux/tcp'
import {
  batch,
  connectWithin,
  deframe,
  deframeBatch,
  defaultMuxConfig,
  demultiplex,
  exhaustMapWithTrailing,
  type Frame,
  frame,
  keepAlive,
  meter,
  type Metered,
  type MuxEvent,
  multiplex,
  pack,
  type StreamEffect,
} from 'lighthouse-peer/operators'
import { map, NEVER, type Observable, of, Subject } from 'rxjs'

/** Compiles when the value has exactly this type. */
type Exactly<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function has<Type>(): {
  exactly<Value>(value: Value, ...same: Exactly<Value, Type> extends true ? [] : [never]): void
}

declare const bytes$: Observable<Uint8Array>
declare const event$: Observable<MuxEvent>
declare const identity: Identity
declare const dataChannel: RTCDataChannel
declare const socket: Socket

export function operators(): void {
  const config = defaultMuxConfig('client', { version: 2, rst: true })
  has<Observable<Frame>>().exactly(bytes$.pipe(deframe({ version: 2, rst: true })))
  has<Observable<readonly Frame[]>>().exactly(bytes$.pipe(deframeBatch()))
  has<Observable<Uint8Array>>().exactly(of<Frame>({ command: 'syn', streamId: 3 }).pipe(frame()))
  has<Observable<Uint8Array>>().exactly(
    event$.pipe(
      keepAlive({ tick: { type: 'tick' } as const }),
      multiplex(config),
      demultiplex(() => new Subject<StreamEffect>()),
      pack({ version: config.version, maxMessageBytes: config.maxMessageBytes }),
    ),
  )
  has<Observable<number | 'tick'>>().exactly(of(1).pipe(keepAlive({ tick: 'tick' as const })))
  has<Observable<string>>().exactly(of('open').pipe(connectWithin({ isOpen: state => state === 'open' })))
  has<Observable<string>>().exactly(of(1).pipe(exhaustMapWithTrailing(value => of(String(value)))))
  has<Observable<number>>().exactly(of('a').pipe(batch({ maxMs: 2, maxItems: 5 }, items => of(items.length))))
  has<Observable<Metered>>().exactly(of(1).pipe(meter()))

  // @ts-expect-error there are versions 1 and 2
  frame({ version: 3 })
  // @ts-expect-error the agreement says whether there is RST
  deframe({ version: 2 })
  // @ts-expect-error frames, and not bytes
  bytes$.pipe(pack({ maxMessageBytes: 65_536 }))
  // @ts-expect-error transitions, and not their frames
  of<readonly Frame[]>([]).pipe(demultiplex(() => ({})))
  // @ts-expect-error a reset is the observer's error, and no effect
  demultiplex(() => ({ next: effect => effect.type === 'reset' }))
  // @ts-expect-error the source has numbers
  of(1).pipe(connectWithin({ isOpen: (state: string) => state === 'open' }))
  // @ts-expect-error a misspelt option
  meter({ everyMS: 10 })
}

export function mux(): void {
  const [channel] = memoryChannelPair()
  has<Observable<MuxReport>>().exactly(muxSession$({ channel, role: 'client', socket$: NEVER }))
  has<Observable<ByteChannel>>().exactly(rtcChannel$(dataChannel))
  has<Observable<ByteChannel>>().exactly(tcpChannel$(socket))
  has<Observable<TcpListenEvent>>().exactly(nodeTcp.listen$({ host: '127.0.0.1', port: 0 }))
  muxSession$({ channel, role: 'server', dial: () => nodeTcp.dial({ host: '127.0.0.1', port: 80 }) })

  // @ts-expect-error one of the two sides
  muxSession$({ channel })
  // @ts-expect-error nothing of coins
  muxSession$({ channel, role: 'client', receipt$: NEVER })
  // @ts-expect-error a channel, and not the socket below it
  muxSession$({ channel: socket, role: 'client' })
  // @ts-expect-error a data channel, and not its connection
  rtcChannel$(new RTCPeerConnection())
}

/** Every event, or this does not compile. */
function nameOf(event: PeerEvent): string {
  switch (event.type) {
    case 'hub':
      return event.state.type
    case 'tunnel':
      return event.tunnel.nickname
    case 'ended':
    case 'streams-reset':
      return event.with
    case 'evidence':
    case 'evidence-left-out':
      return event.kind
    case 'receipt-refused':
      return event.session
    case 'defect':
    case 'ledger-unchecked':
    case 'engine-missing':
    case 'receipts-failed':
      return event.reason.code
  }
}

export function peer(): void {
  has<Observable<Identity>>().exactly(register$({ host: 'hub.example', nickname: 'alice' }))
  has<Observable<Peer>>().exactly(createPeer$({ identity, share: { type: 'folder', path: 'films' } }))
  createPeer$({ identity }).subscribe(({ connect$, event$: happened$ }) => {
    has<Observable<Tunnel>>().exactly(connect$('bob'))
    has<Observable<string>>().exactly(happened$.pipe(map(nameOf)))
  })

  // @ts-expect-error nobody
  createPeer$({})
  // @ts-expect-error a service has a port
  createPeer$({ identity, share: { type: 'tcp', host: '127.0.0.1' } })
  // @ts-expect-error there is no such event
  createPeer$({ identity }).subscribe(({ event$: happened$ }) => happened$.subscribe(({ type }) => type === 'opened'))
}

export function hub(): void {
  has<Observable<Hub>>().exactly(createHub$({ port: 0, database: ':memory:', registration: 'invite' }))
  has<Observable<readonly string[]>>().exactly(createInvites$({ count: 3 }))

  // @ts-expect-error anybody is `open`
  createHub$({ registration: 'anybody' })
}

export function errors(error: unknown): string {
  // @ts-expect-error not known yet
  const code: string = error.code
  if (!isLighthouseError(error, 'channel-closed', 'peer-silent')) return code
  // @ts-expect-error there is no such code
  if (error.code === 'channel-open') return error.message
  return error.details.phase ?? error.code
}
