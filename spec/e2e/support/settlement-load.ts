/**
 * Peers that do nothing but pay each other, as fast as their hub acknowledges, over raw sockets: for hubs that are killed
 * while coins move. They keep what they signed and what they were told.
 */
import { firstValueFrom, from, last, map, race, Subject, take } from 'rxjs'
import { io, type Socket } from 'socket.io-client'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import type { KeyPair } from '../../../src/hub/ports/store.js'
import { canonicalJson } from '../../../src/protocol/json.js'
import {
  parseReceiptAck,
  parseSettlement,
  type Settlement,
  type SignedReceipt,
} from '../../../src/protocol/coins/receipt.js'
import {
  authText,
  descriptionText,
  receiptText,
  registerText,
  settledText,
} from '../../../src/protocol/signaling/signed-texts.js'

/** Long for a hub that lives; one that is gone is noticed by the connection. */
const answerMs = 20_000

/** Receipts of one session that are under way at a time. */
const receiptsAtOnce = 2

/** What one receipt is over the one before, at most. */
const maxStepBytes = 100_000

interface Party extends KeyPair {
  readonly nickname: string
  socket: Socket | undefined
}

/** A session that counts: the hub has acknowledged that it forwarded offer and answer. */
interface Payment {
  readonly session: string
  readonly consumer: Party
  readonly seeder: Party
  /** The highest that was signed. */
  signed: SignedReceipt | undefined
  /** Signed and never acknowledged. */
  readonly unanswered: Set<SignedReceipt>
}

async function register(hubUrl: string, nickname: string): Promise<Party> {
  const keys = nodeCrypto.generateKeyPair()
  const signature = nodeCrypto.sign(keys.privKey, registerText(nickname, keys.pubKey))
  const { status } = await fetch(`${hubUrl}/v1/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ pub_key: keys.pubKey, nickname, signature }),
  })
  if (status !== 201) throw new Error(`${nickname} could not be registered: ${status}`)
  return { ...keys, nickname, socket: undefined }
}

/** The acknowledgement, or undefined when the hub was gone before. */
async function ask(socket: Socket | undefined, event: 'signal' | 'receipt', body: object): Promise<unknown> {
  if (socket?.connected !== true) return undefined
  try {
    return await socket.timeout(answerMs).emitWithAck(event, body)
  } catch (error) {
    if (socket.connected) throw error
    return undefined
  }
}

export class SettlementLoad {
  /** All that the hub said was settled, and signed for. */
  readonly told: Settlement[] = []
  /** What it said otherwise. */
  readonly nonsense: unknown[] = []
  /** Receipts that were acknowledged. */
  acknowledged = 0
  readonly #acknowledged$ = new Subject<void>()
  readonly #payments: Payment[] = []
  readonly #believed = new Set<string>()
  #hubKey = ''

  /** `draw` gives numbers in [0, 1). */
  private constructor(
    private readonly parties: readonly Party[],
    private readonly draw: () => number,
  ) {}

  /** Registers so many parties, in turn at each process of the hub, all at once. What they pay and who settles it is drawn. */
  static async create(hubUrls: readonly string[], parties: number, draw: () => number): Promise<SettlementLoad> {
    const names = Array.from({ length: parties }, (_, index) => `peer${String.fromCharCode(97 + index)}`)
    return new SettlementLoad(
      await Promise.all(names.map((name, index) => register(hubUrls[index % hubUrls.length]!, name))),
      draw,
    )
  }

  get keys(): readonly string[] {
    return this.parties.map(({ pubKey }) => pubKey)
  }

  /** Receipts that were signed and of which no acknowledgement has come. */
  get unanswered(): readonly SignedReceipt[] {
    return this.#payments.flatMap(({ unanswered }) => [...unanswered])
  }

  /** What is to be settled in the end, by session. */
  get signed(): ReadonlyMap<string, number> {
    const due = this.#payments.filter(({ signed }) => signed !== undefined)
    return new Map(due.map(({ session, signed }) => [session, signed!.bytes]))
  }

  /** Signs everybody in who is not, in turn at each of these. */
  async signIn(hubUrls: readonly string[]): Promise<void> {
    await Promise.all(
      this.parties.map(async (party, index) => {
        if (party.socket?.connected !== true) await this.#signIn(party, hubUrls[index % hubUrls.length]!)
      }),
    )
  }

  #signIn(party: Party, hubUrl: string): Promise<void> {
    const { pubKey, privKey } = party
    const socket = io(hubUrl, {
      auth: { pub_key: pubKey },
      forceNew: true,
      reconnection: false,
      transports: ['websocket'],
    })
    party.socket = socket
    socket.on('settled', body => this.#hear(body))
    return new Promise((resolve, reject) => {
      socket.once('challenge', ({ challenge, hub_key }, acknowledge: (signature: string) => void) => {
        this.#hubKey = hub_key
        acknowledge(nodeCrypto.sign(privKey, authText(hub_key, challenge)))
      })
      socket.once('authenticated', () => resolve())
      socket.once('connect_error', reject)
      socket.once('disconnect', reason => reject(new Error(`${party.nickname} could not sign in: ${reason}`)))
    })
  }

  #hear(body: unknown): void {
    const settlement = parseSettlement(body)
    // An acknowledgement and its event are the same.
    if (settlement !== undefined && this.#believed.has(settlement.signature)) return
    if (settlement === undefined || !nodeCrypto.verify(this.#hubKey, settledText(settlement), settlement.signature)) {
      this.nonsense.push(body)
      return
    }
    this.#believed.add(settlement.signature)
    this.told.push(settlement)
  }

  /** Brings a receipt to the hub; the settlement, or undefined when the hub was gone before. */
  async #bring(payment: Payment, receipt: SignedReceipt, party: Party): Promise<Settlement | undefined> {
    payment.unanswered.add(receipt)
    const body = await ask(party.socket, 'receipt', receipt)
    if (body === undefined) return undefined
    const ack = parseReceiptAck(body)
    if (ack === undefined || 'error' in ack) throw new Error(`a good receipt was answered ${JSON.stringify(body)}`)
    if (ack.settled.bytes < receipt.bytes) throw new Error('less is settled than was acknowledged')
    this.#hear(ack.settled)
    payment.unanswered.delete(receipt)
    this.acknowledged += 1
    this.#acknowledged$.next()
    return ack.settled
  }

  /** Resolves when so many more receipts have been acknowledged. Rejects when `running` ends before: nobody was killed yet. */
  moreAcknowledged(count: number, running: Promise<void>): Promise<void> {
    const over$ = from(running).pipe(
      map(() => {
        throw new Error(`the hub was gone before ${count} more receipts were acknowledged`)
      }),
    )
    return firstValueFrom(race(this.#acknowledged$.pipe(take(count), last()), over$))
  }

  /** Whether the hub acknowledged that it forwarded it. */
  async #describe(type: 'offer' | 'answer', session: string, from: Party, to: Party): Promise<boolean> {
    const payload = { sdp: 'c2Rw', mux: { versions: [1, 2], rst: true }, head: null }
    const fields = { hubKey: this.#hubKey, session, from: from.pubKey, to: to.pubKey }
    const text = descriptionText(type, { ...fields, payloadDigest: nodeCrypto.sha256(canonicalJson(payload)) })
    const signature = nodeCrypto.sign(from.privKey, text)
    const ack = await ask(from.socket, 'signal', {
      type,
      session,
      from: from.pubKey,
      to: to.pubKey,
      payload,
      signature,
    })
    return (ack as { readonly delivered?: boolean } | undefined)?.delivered === true
  }

  async #open(consumer: Party, seeder: Party): Promise<Payment | undefined> {
    const session = nodeCrypto.randomId(16)
    if (!(await this.#describe('offer', session, consumer, seeder))) return undefined
    if (!(await this.#describe('answer', session, seeder, consumer))) return undefined
    const payment: Payment = { session, consumer, seeder, signed: undefined, unanswered: new Set() }
    this.#payments.push(payment)
    return payment
  }

  async #pay(payment: Payment): Promise<void> {
    const { session, consumer, seeder } = payment
    const bytes = (payment.signed?.bytes ?? 0) + 1 + Math.floor(this.draw() * maxStepBytes)
    const fields = { hub_key: this.#hubKey, session, seeder: seeder.pubKey, consumer: consumer.pubKey, bytes }
    const receipt = { ...fields, signature: nodeCrypto.sign(consumer.privKey, receiptText(fields)) }
    payment.signed = receipt
    // A seeder brings what it was given as well, while its own process of the hub is there.
    const bySeeder = this.draw() < 1 / 8 && seeder.socket?.connected === true
    const settlement = await this.#bring(payment, receipt, bySeeder ? seeder : consumer)
    if (settlement !== undefined) await this.#pay(payment)
  }

  /**
   * Everybody pays the next one, in the session that it has and in one that it opens now. Resolves when every hub is gone.
   */
  async run(): Promise<void> {
    const { parties } = this
    const flow = (payment: Payment): Promise<unknown> =>
      Promise.all(Array.from({ length: receiptsAtOnce }, () => this.#pay(payment)))
    const before = this.#payments.slice(-parties.length).map(flow)
    const fresh = parties.map(async (consumer, index) => {
      const payment = await this.#open(consumer, parties[(index + 1) % parties.length]!)
      if (payment !== undefined) await flow(payment)
    })
    await Promise.all([...before, ...fresh])
  }

  /** Brings everything to the hub that it has not acknowledged, in any order and by either party. */
  async settleRest(): Promise<void> {
    const rest = this.#payments.flatMap(payment =>
      [...payment.unanswered].map(receipt => ({
        payment,
        receipt,
        by: this.draw() < 1 / 2 ? payment.consumer : payment.seeder,
      })),
    )
    const settled = await Promise.all(rest.map(({ payment, receipt, by }) => this.#bring(payment, receipt, by)))
    if (settled.includes(undefined)) throw new Error('the hub went away')
  }

  /** Brings the highest receipt of every session once more, by both parties; what the hub says to it. */
  async repeat(): Promise<readonly Settlement[]> {
    const settled = await Promise.all(
      this.#payments.flatMap(payment =>
        payment.signed === undefined
          ? []
          : [payment.consumer, payment.seeder].map(party => this.#bring(payment, payment.signed!, party)),
      ),
    )
    return settled.filter(settlement => settlement !== undefined)
  }

  close(): void {
    for (const { socket } of this.parties) socket?.disconnect()
  }
}
