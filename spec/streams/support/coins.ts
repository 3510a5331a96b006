/** A hub that settles in memory, and peers that pay on virtual time. */
import { createHash } from 'node:crypto'
import { BehaviorSubject, defer, delay, EMPTY, NEVER, type Observable, of, Subject, type Subscription } from 'rxjs'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import type { ByteSocket, CryptoPort } from '../../../src/ports.js'
import type { ReceiptStore } from '../../../src/ports/receipts.js'
import { formatCoins } from '../../../src/protocol/coins/amount.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import type { Identity } from '../../../src/protocol/peer/metadata.js'
import type { ReceiptAck, ReceiptRefusal, Settlement, SignedReceipt } from '../../../src/protocol/coins/receipt.js'
import { receiptText, settledText } from '../../../src/protocol/signaling/signed-texts.js'
import type { SpendingLimits } from '../../../src/protocol/coins/spending.js'
import type { CarryStats } from '../../../src/protocol/peer/stats.js'
import { createPayments, type PaymentReport, type Payments } from '../../../src/streams/coins/payments.js'
import type { SessionPayment } from '../../../src/streams/coins/session-payment.js'
import { carry$ } from '../../../src/streams/mux/carry.js'
import { memoryReceipts } from '../../support/memory-receipts.node.js'
import type { HubConnection, SignalingEvent } from '../../../src/streams/signaling/signaling.js'
import type { MemoryChannel } from '../../support/memory-channel.js'
import { hub as hubKey, sessionOf } from '../../support/receipts.js'
import type { VirtualTime } from './virtual-time.js'

/** Signs fast and proves nothing to anybody outside a spec: the private key is the public one. Counts its checks. */
export function playCrypto(): CryptoPort & { readonly checks: number } {
  let checks = 0
  const sign = (key: string, text: string): string => createHash('sha512').update(`${key}\n${text}`).digest('base64')
  return {
    ...nodeCrypto,
    sign,
    verify(pubKey, text, signature) {
      checks++
      return sign(pubKey, text) === signature
    },
    get checks() {
      return checks
    },
  }
}

export const identityOf = (pubKey: string): Identity => ({
  pubKey,
  privKey: pubKey,
  nickname: 'peer',
  host: '127.0.0.1:3000',
})

/** A receipt that its consumer signed. */
export function signedReceipt(name: string, bytes: number, seeder: string, consumer: string): SignedReceipt {
  const receipt = { hub_key: hubKey, session: sessionOf(name), seeder, consumer, bytes }
  return { ...receipt, signature: playCrypto().sign(consumer, receiptText(receipt)) }
}

/** What a store throws that can write no more. */
export const full = new LighthouseError('store-failed', 'the disk is full')

/** A receipt store of `pubKey` in memory of which these methods throw `full` while it is broken. */
export function failingStore(
  pubKey: string,
  broken: { readonly now: boolean },
  ...methods: (keyof ReceiptStore)[]
): ReceiptStore {
  return new Proxy(memoryReceipts(pubKey), {
    get(target, property, receiver) {
      const value: unknown = Reflect.get(target, property, receiver)
      if (!methods.includes(property as keyof ReceiptStore)) return value
      return (...values: unknown[]) => {
        if (broken.now) throw full
        return (value as (...all: unknown[]) => unknown).apply(target, values)
      }
    },
  })
}

/** What the hub signed. */
export function signedSettlement(name: string, bytes: number, wallet: number, seq = 1): Settlement {
  const settlement = { session: sessionOf(name), bytes, coins: formatCoins(wallet), seq, hash: 'a'.repeat(128) }
  return { ...settlement, signature: playCrypto().sign(hubKey, settledText(settlement)) }
}

export interface PlayHub {
  /** Every receipt that it was given, and by whom. */
  readonly given: readonly { readonly by: string; readonly receipt: SignedReceipt }[]
  /** Settled of all sessions between two keys. */
  readonly moved: number
  wallet(pubKey: string): number
  /** Gives coins, which everybody hears who is signed in. */
  grant(pubKey: string, bytes: number): void
  /** Answers the next receipts like this, instead of settling them. */
  refuseWith: ReceiptRefusal | undefined
  /** Whether its word about settlements is signed. */
  honest: boolean
  /** Whether it says nothing but its answers. */
  silent: boolean
  /** Whether it takes receipts and says nothing at all, as one that hangs or that a network took away. */
  hung: boolean
  connection(pubKey: string): HubConnection
  /** What peers that are signed in hear. */
  readonly said$: Observable<{ readonly to: string; readonly coins: number; readonly settlement?: Settlement }>
}

/** A hub that answers after 5 ms. */
export function playHub(time: VirtualTime, wallets: Readonly<Record<string, number>>): PlayHub {
  const left = new Map(Object.entries(wallets))
  const settled = new Map<string, number>()
  const given: { by: string; receipt: SignedReceipt }[] = []
  const said$ = new Subject<{ to: string; coins: number; settlement?: Settlement }>()
  let [seq, moved] = [0, 0]
  const wallet = (pubKey: string): number => left.get(pubKey) ?? 0
  const add = (pubKey: string, bytes: number): void => void left.set(pubKey, wallet(pubKey) + bytes)

  const settlementFor = ({ session, consumer }: SignedReceipt, pubKey: string): Settlement => {
    const fields = {
      session,
      bytes: settled.get(session) ?? 0,
      coins: formatCoins(wallet(pubKey)),
      seq,
      hash: 'a'.repeat(128),
    }
    const signed = { ...fields, signature: playCrypto().sign(hub.honest ? hubKey : 'somebody', settledText(fields)) }
    return pubKey === consumer ? signed : { ...signed, consumer_coins: formatCoins(wallet(consumer)) }
  }
  const settle = (by: string, receipt: SignedReceipt): ReceiptAck => {
    given.push({ by, receipt })
    const refuse = (code: ReceiptRefusal): ReceiptAck => ({ error: { code, message: code } })
    if (hub.refuseWith !== undefined) return refuse(hub.refuseWith)
    const { session, consumer, seeder, bytes, signature } = receipt
    if (!playCrypto().verify(consumer, receiptText(receipt), signature)) return refuse('bad-signature')
    const more = bytes - (settled.get(session) ?? 0)
    if (more > wallet(consumer)) return refuse('no-coins')
    if (more > 0) {
      settled.set(session, bytes)
      add(consumer, -more)
      add(seeder, more)
      moved += more
      seq++
      for (const to of [consumer, seeder]) {
        const settlement = settlementFor(receipt, to)
        // What is not signed `signaling$` drops.
        if (!hub.honest || hub.silent) continue
        time.scheduler.schedule(() => said$.next({ to, coins: wallet(to), settlement }), 5)
      }
    }
    return { settled: settlementFor(receipt, by) }
  }
  const hub: PlayHub = {
    given,
    refuseWith: undefined,
    honest: true,
    silent: false,
    hung: false,
    get moved() {
      return moved
    },
    wallet,
    grant(pubKey, bytes) {
      add(pubKey, bytes)
      said$.next({ to: pubKey, coins: wallet(pubKey) })
    },
    connection: pubKey => ({
      hubKey,
      iceServers: [],
      head: undefined,
      socket: {
        send$: () => of({ delivered: true as const }),
        settle$: receipt =>
          defer(() => (hub.hung ? NEVER : of(settle(pubKey, receipt)))).pipe(delay(5, time.scheduler)),
      },
    }),
    said$,
  }
  return hub
}

export interface CoinPeer {
  readonly pubKey: string
  readonly payments: Payments
  /** What the hub says. */
  hear(event: SignalingEvent): void
  readonly store: ReceiptStore
  readonly crypto: ReturnType<typeof playCrypto>
  readonly hubConnection$: BehaviorSubject<HubConnection | undefined>
  readonly reports: readonly PaymentReport[]
  /** Errors of the payments, or their end: there should be none. */
  readonly outcomes: readonly unknown[]
  readonly subscription: Subscription
  signIn(): void
  signOut(): void
}

/** A peer as far as its coins go. */
export function coinPeer(
  time: VirtualTime,
  hub: PlayHub,
  pubKey: string,
  options: { readonly store?: ReceiptStore; readonly limits?: SpendingLimits } = {},
): CoinPeer {
  const { store = memoryReceipts(pubKey, () => time.scheduler.now()), limits = {} } = options
  const crypto = playCrypto()
  const hubConnection$ = new BehaviorSubject<HubConnection | undefined>(undefined)
  const hubEvent$ = new Subject<SignalingEvent>()
  const hear = (event: SignalingEvent): void => hubEvent$.next(event)
  const payments = createPayments({
    hubEvent$,
    hub: { ledger$: () => EMPTY },
    identity: identityOf(pubKey),
    crypto,
    store,
    limits,
    hubConnection$,
    scheduler: time.scheduler,
  })
  const reports: PaymentReport[] = []
  const outcomes: unknown[] = []
  const subscription = payments.report$.subscribe({
    next: report => reports.push(report),
    error: error => outcomes.push(error),
    complete: () => outcomes.push('complete'),
  })
  subscription.add(
    hub.said$.subscribe(({ to, coins, settlement }) => {
      if (to !== pubKey || hubConnection$.value === undefined) return
      hear({ type: 'balance', bytes: coins })
      if (settlement !== undefined) hear({ type: 'settled', settlement })
    }),
  )
  const signIn = (): void => {
    const connection = hub.connection(pubKey)
    hubConnection$.next(connection)
    hear({ type: 'hub-connection', hub: connection })
    hear({ type: 'balance', bytes: hub.wallet(pubKey) })
  }
  return {
    pubKey,
    payments,
    hear,
    store,
    crypto,
    hubConnection$,
    reports,
    outcomes,
    subscription,
    signIn,
    signOut: () => {
      hubConnection$.next(undefined)
      hear({ type: 'hub-connection', hub: undefined })
    },
  }
}

/** One side of a connection, with its payment. */
export function carried(
  time: VirtualTime,
  options: {
    readonly role: CarryStats['role']
    readonly channel: MemoryChannel
    readonly name: string
    readonly other: string
    readonly payment?: SessionPayment
    readonly dial?: () => ByteSocket
    readonly receipts?: boolean
  },
): {
  readonly socket$: Subject<ByteSocket>
  readonly errors: LighthouseError[]
  readonly subscription: Subscription
  readonly stats: () => CarryStats
} {
  const { role, channel, name, other, payment, dial, receipts = true } = options
  const socket$ = new Subject<ByteSocket>()
  const errors: LighthouseError[] = []
  let newest: CarryStats
  const subscription = carry$({
    open: {
      type: 'open',
      engine: 'fake',
      session: sessionOf(name),
      pubKey: other,
      hubKey,
      channel,
      agreement: { version: 2, rst: true, receipts },
    },
    event$: NEVER,
    role,
    nickname: undefined,
    tunnelPort: undefined,
    socket$,
    ...(dial && { dial }),
    payment,
    clock: time.clock,
    scheduler: time.scheduler,
  }).subscribe({
    next: report => report.type === 'stats' && (newest = report.stats),
    error: (error: LighthouseError) => errors.push(error),
  })
  return { socket$, errors, subscription, stats: () => newest }
}
