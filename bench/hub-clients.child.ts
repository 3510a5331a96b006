/** Many peers of one hub as far as signaling goes: sockets that sign in, send receipts and signals, and hear of theirs. */
import { setTimeout as pause } from 'node:timers/promises'
import { io, type Socket } from 'socket.io-client'
import { nodeCrypto } from '../src/adapters/crypto/crypto.node.js'
import type { KeyPair } from '../src/hub/ports/store.js'
import type { ReceiptAck, SignedReceipt } from '../src/protocol/coins/receipt.js'
import type { SignalAck } from '../src/protocol/signaling/signal.js'
import { authText, receiptText } from '../src/protocol/signaling/signed-texts.js'
import type { BenchSession } from './community.js'
import { answerCalls } from './rpc.js'

/** What one receipt adds. */
const stepBytes = 1_000

/** Handshakes under way at once: more would only wait in the hub. */
const signInsAtOnce = 50

/** The hub checks the form of what a description is signed with; the signature itself is for the other peer. */
const anySignature = Buffer.alloc(64).toString('base64')

const sockets = new Map<string, Socket>()
const receipts = new Map<string, SignedReceipt[]>()
const signedBytes = new Map<string, number>()
let arrivals: number[] = []

/** Milliseconds of a clock that all processes share. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

function arrived({ payload }: { readonly payload: { readonly candidate?: string; readonly sent?: string } }): void {
  arrivals.push(now() - Number(payload.candidate ?? payload.sent))
}

function signIn(url: string, { pubKey, privKey }: KeyPair): Promise<void> {
  const socket = io(url, { auth: { pub_key: pubKey }, forceNew: true, reconnection: false, transports: ['websocket'] })
  sockets.set(pubKey, socket)
  socket.on('signal', arrived)
  return new Promise((resolve, reject) => {
    socket.once('connect_error', reject)
    socket.once('disconnect', reason => reject(new Error(`the hub ended the connection: ${reason}`)))
    socket.once('authenticated', () => resolve())
    socket.once('challenge', (body: { challenge: string; hub_key: string }, acknowledge: (answer: string) => void) =>
      acknowledge(nodeCrypto.sign(privKey, authText(body.hub_key, body.challenge))),
    )
  })
}

/** One receipt after the other, the next when the one before is acknowledged. Resolves with the milliseconds of each. */
async function settleSession({ session }: BenchSession, endsAt: number): Promise<readonly number[]> {
  const taken: number[] = []
  const queue = receipts.get(session)!
  while (queue.length > 0 && now() < endsAt) {
    const receipt = queue.shift()!
    const since = now()
    const ack = (await sockets.get(receipt.consumer)!.emitWithAck('receipt', receipt)) as ReceiptAck
    if (!('settled' in ack)) throw new Error(`a receipt was refused: ${JSON.stringify(ack)}`)
    taken.push(now() - since)
  }
  return taken
}

export interface SettleRun {
  readonly waits: readonly number[]
  readonly milliseconds: number
}

export interface SendOptions {
  readonly type: 'candidate' | 'offer'
  readonly pairs: readonly (readonly [from: string, to: string])[]
  readonly perSecond: number
  readonly durationMs: number
}

/** Sends at a steady rate, whether or not the ones before were acknowledged. Resolves with the milliseconds of each. */
async function send({ type, pairs, perSecond, durationMs }: SendOptions): Promise<readonly number[]> {
  const start = now()
  const waits: Promise<number>[] = []
  for (let index = 0; ; index++) {
    const due = start + (index * 1000) / perSecond
    if (due - start >= durationMs) break
    if (due > now()) await pause(due - now())
    const [from, to] = pairs[index % pairs.length]!
    const envelope = { type, session: nodeCrypto.randomId(16), from, to }
    const since = now()
    const signal =
      type === 'candidate'
        ? { ...envelope, payload: { candidate: String(since), sdpMid: '0', sdpMLineIndex: 0 } }
        : { ...envelope, payload: { sdp: 'c2Rw', sent: String(since) }, signature: anySignature }
    const sent = sockets.get(from)!.emitWithAck('signal', signal) as Promise<SignalAck>
    waits.push(
      sent.then(ack => {
        if ('error' in ack) throw new Error(`a signal was refused: ${ack.error.code}`)
        return now() - since
      }),
    )
  }
  return Promise.all(waits)
}

answerCalls({
  /** Resolves with how long it took. */
  signIn: async ({ url, accounts }: { url: string; accounts: readonly KeyPair[] }): Promise<number> => {
    const start = now()
    const queue = [...accounts]
    const work = async (): Promise<void> => {
      for (let account = queue.pop(); account !== undefined; account = queue.pop()) await signIn(url, account)
    }
    await Promise.all(Array.from({ length: signInsAtOnce }, work))
    return now() - start
  },
  connected: (): number => [...sockets.values()].filter(({ connected }) => connected).length,
  /** Signs ahead, so that the clients' own work does not count. */
  sign: (options: {
    hubKey: string
    accounts: readonly KeyPair[]
    sessions: readonly BenchSession[]
    perSession: number
  }): void => {
    const { hubKey: hub_key, accounts, sessions, perSession } = options
    for (const { session, consumer, seeder } of sessions) {
      const signed = Array.from({ length: perSession }, (): SignedReceipt => {
        const bytes = (signedBytes.get(session) ?? 0) + stepBytes
        signedBytes.set(session, bytes)
        const { pubKey, privKey } = accounts[consumer]!
        const receipt = { hub_key, session, seeder: accounts[seeder]!.pubKey, consumer: pubKey, bytes }
        return { ...receipt, signature: nodeCrypto.sign(privKey, receiptText(receipt)) }
      })
      receipts.set(session, signed)
    }
  },
  /** As fast as acknowledged, until the time or what was signed is over. */
  settle: async (options: { sessions: readonly BenchSession[]; windowMs: number }): Promise<SettleRun> => {
    const start = now()
    const waits = await Promise.all(options.sessions.map(session => settleSession(session, start + options.windowMs)))
    return { waits: waits.flat(), milliseconds: now() - start }
  },
  send,
  /** Milliseconds from the sender to here of all signals since the last call. */
  arrivals: (): readonly number[] => {
    const since = arrivals
    arrivals = []
    return since
  },
})
