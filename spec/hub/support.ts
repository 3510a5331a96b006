import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from '@jest/globals'
import { firstValueFrom, ReplaySubject, type Subscription } from 'rxjs'
import { io, type Socket } from 'socket.io-client'
import { nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import { canonicalJson, type Json } from '../../src/protocol/json.js'
import type { SignedReceipt } from '../../src/protocol/coins/receipt.js'
import { authText, descriptionText, receiptText, registerText } from '../../src/protocol/signaling/signed-texts.js'
import { createHub$, type Hub, type HubOptions } from '../../src/hub/app.js'
import type { KeyPair } from '../../src/hub/ports/store.js'

const cleanups: (() => void)[] = []

afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup()
})

/** Runs when the test ends, last registered first. */
export function cleanup(work: () => void): void {
  cleanups.push(work)
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lighthouse-hub-'))
  cleanup(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Where a hub is, and its key: of this process or of another. */
export type HubAt = Pick<Hub, 'url' | 'port' | 'hubKey'>

/** A hub on an ephemeral port, with its database in memory unless told otherwise. Stopped when the test ends. */
export async function startHub(options: HubOptions = {}): Promise<Hub & { readonly subscription: Subscription }> {
  const hub$ = new ReplaySubject<Hub>(1)
  const subscription = createHub$({ port: 0, database: ':memory:', ...options }).subscribe(hub$)
  cleanup(() => subscription.unsubscribe())
  return { ...(await firstValueFrom(hub$)), subscription }
}

export interface Account extends KeyPair {
  readonly nickname: string
}

export function newAccount(nickname: string): Account {
  return { nickname, ...nodeCrypto.generateKeyPair() }
}

export function registration({ nickname, pubKey, privKey }: Account): Record<string, unknown> {
  return { pub_key: pubKey, nickname, signature: nodeCrypto.sign(privKey, registerText(nickname, pubKey)) }
}

export function postRegistration(hub: HubAt, body: unknown): Promise<Response> {
  return fetch(`${hub.url}/v1/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

export async function register(hub: HubAt, nickname: string): Promise<Account> {
  const account = newAccount(nickname)
  const response = await postRegistration(hub, registration(account))
  if (response.status !== 201) throw new Error(`registration answered ${response.status}: ${await response.text()}`)
  return account
}

/** The wallet of a key, as the hub shows it to anybody. */
export async function coinsAt(hub: HubAt, { pubKey }: KeyPair): Promise<string> {
  return (await fetch(`${hub.url}/v1/coins?pub_key=${encodeURIComponent(pubKey)}`)).text()
}

/** A bare socket that speaks no protocol by itself. Closed when the test ends. */
export function openSocket(hub: HubAt, auth: object, transports: string[] = ['websocket']): Socket {
  const socket = io(hub.url, { auth, forceNew: true, reconnection: false, transports })
  cleanup(() => socket.disconnect())
  return socket
}

/** The arguments of the next event of that name. */
export function next(socket: Socket, event: string): Promise<any[]> {
  return new Promise(resolve => socket.once(event, (...args: unknown[]) => resolve(args)))
}

export interface Challenge {
  readonly challenge: string
  readonly hub_key: string
  readonly signature: string
}

export function answer({ privKey }: KeyPair, { challenge, hub_key: hubKey }: Challenge): string {
  return nodeCrypto.sign(privKey, authText(hubKey, challenge))
}

/** Signs in and returns the socket with what the hub said. */
export async function signIn(
  hub: HubAt,
  keys: KeyPair,
  transports?: string[],
): Promise<{ readonly socket: Socket; readonly welcome: any }> {
  const socket = openSocket(hub, { pub_key: keys.pubKey }, transports)
  const authenticated = next(socket, 'authenticated')
  socket.once('challenge', (challenge: Challenge, acknowledge: (signature: string) => void) =>
    acknowledge(answer(keys, challenge)),
  )
  const [welcome] = await authenticated
  return { socket, welcome }
}

export function send(socket: Socket, signal: unknown): Promise<any> {
  return socket.emitWithAck('signal', signal)
}

export const session = 'session-of-a-spec-0001'

export function description(
  type: 'offer' | 'answer',
  hub: HubAt,
  from: KeyPair,
  to: KeyPair,
  payload: Json = { sdp: 'c2Rw', mux: { versions: [1, 2], rst: true }, head: null, later: { kept: [1] } },
  of: { readonly session: string } = { session },
): Record<string, unknown> {
  const fields = { hubKey: hub.hubKey, session: of.session, from: from.pubKey, to: to.pubKey }
  const payloadDigest = nodeCrypto.sha256(canonicalJson(payload))
  const signature = nodeCrypto.sign(from.privKey, descriptionText(type, { ...fields, payloadDigest }))
  return { type, session: of.session, from: from.pubKey, to: to.pubKey, payload, signature }
}

/** A receipt that the consumer signed. */
export function signedReceipt(
  hub: Pick<Hub, 'hubKey'>,
  consumer: KeyPair,
  seeder: KeyPair,
  bytes: number,
  of: { readonly session: string } = { session },
): SignedReceipt {
  const fields = { hub_key: hub.hubKey, session: of.session, seeder: seeder.pubKey, consumer: consumer.pubKey, bytes }
  return { ...fields, signature: nodeCrypto.sign(consumer.privKey, receiptText(fields)) }
}

/** Gives the hub a receipt; resolves with its acknowledgement. */
export function settle(socket: Socket, receipt: unknown): Promise<any> {
  return socket.emitWithAck('receipt', receipt)
}

/** Lets the hub forward an offer and its answer, so that receipts of the session count. */
export async function openSession(
  hub: HubAt,
  parties: {
    readonly consumer: KeyPair
    readonly seeder: KeyPair
    readonly atConsumer: Socket
    readonly atSeeder: Socket
  },
  of: { readonly session: string } = { session },
): Promise<void> {
  const { consumer, seeder, atConsumer, atSeeder } = parties
  const acks = [
    await send(atConsumer, description('offer', hub, consumer, seeder, undefined, of)),
    await send(atSeeder, description('answer', hub, seeder, consumer, undefined, of)),
  ]
  if (!acks.every(({ delivered }) => delivered === true)) throw new Error(`not forwarded: ${JSON.stringify(acks)}`)
}
