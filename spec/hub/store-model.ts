import type { SignedReceipt } from '../../src/protocol/coins/receipt.js'
import type { HubStore } from '../../src/hub/ports/store.js'
import type { SessionParties } from '../../src/hub/protocol/settlement/settlement.js'

/** A receipt whose signature nobody looks at here: that is for whoever asks a store to settle it. */
export function receiptOf(parties: SessionParties, bytes: number): SignedReceipt {
  const { session, seeder, consumer } = parties
  const [hub_key, signature] = [`${'A'.repeat(43)}=`, `${'B'.repeat(86)}==`]
  // Not in the order in which a block has them.
  return { signature, bytes, consumer, seeder, session, hub_key }
}

/** What a registration is kept with, where nobody looks at it. */
export const someSignature = `${'C'.repeat(86)}==`

/** One thing that a history does. Numbers point into lists of names, keys, sessions and invites that are made up before. */
export type Operation =
  | {
      readonly type: 'register'
      readonly name: number
      readonly key: number
      readonly bytes: number
      readonly invite?: number
    }
  | { readonly type: 'invite'; readonly invite: number }
  | { readonly type: 'offer' | 'answer'; readonly parties: SessionParties; readonly timeMs: number }
  | { readonly type: 'settle'; readonly receipts: readonly SignedReceipt[]; readonly timeMs: number }
  | { readonly type: 'prune'; readonly beforeMs: number }

interface Session {
  readonly consumer: string
  readonly seeder: string
  answered: boolean
  settled: number
  touched: number
}

export const keyOf = (index: number): string => `${index.toString(36).padStart(43, 'K')}=`

const letters = 'abcdefghijklmnopqrstuvwxyz'
export const nameOf = (index: number): string =>
  index < letters.length
    ? letters[index]!
    : nameOf(Math.floor(index / letters.length) - 1) + letters[index % letters.length]!

/**
 * What a store has to do, written down once more and as plainly as it goes: no chain, no database, no batches. Answers
 * are texts, to be compared with those of `perform`.
 */
export class ReferenceStore {
  readonly wallets = new Map<string, number>()
  readonly names = new Map<string, string>()
  readonly sessions = new Map<string, Session>()
  readonly invites = new Map<string, 'open' | 'used'>()
  granted = 0
  blocks = 0

  answer(operation: Operation): readonly string[] {
    switch (operation.type) {
      case 'register':
        return [this.#register(nameOf(operation.name), keyOf(operation.key), operation.bytes, operation.invite)]
      case 'invite': {
        const code = String(operation.invite)
        if (!this.invites.has(code)) this.invites.set(code, 'open')
        return []
      }
      case 'offer':
        return [this.#offer(operation.parties, operation.timeMs)]
      case 'answer':
        return [this.#answer(operation.parties, operation.timeMs)]
      case 'settle': {
        const said = operation.receipts.map(receipt => this.#settle(receipt, operation.timeMs))
        return said.map((word, index) => {
          const { consumer, seeder } = operation.receipts[index]!
          return word.startsWith('settled') ? `${word} ${this.wallets.get(consumer)} ${this.wallets.get(seeder)}` : word
        })
      }
      case 'prune': {
        const old = [...this.sessions].filter(
          ([, { settled, touched }]) => settled === 0 && touched < operation.beforeMs,
        )
        for (const [id] of old) this.sessions.delete(id)
        return [String(old.length)]
      }
    }
  }

  #register(name: string, key: string, bytes: number, invite: number | undefined): string {
    const owner = this.names.get(name)
    if (owner === key) return 'taken both'
    if (this.wallets.has(key)) return 'taken key'
    if (owner !== undefined) return 'taken nickname'
    if (invite !== undefined) {
      if (this.invites.get(String(invite)) !== 'open') return 'refused invite'
      this.invites.set(String(invite), 'used')
    }
    this.names.set(name, key)
    this.wallets.set(key, bytes)
    this.granted += bytes
    this.blocks += 1
    return `registered ${this.blocks}`
  }

  #offer({ session, consumer, seeder }: SessionParties, timeMs: number): string {
    const known = this.sessions.get(session)
    if (known === undefined) {
      this.sessions.set(session, { consumer, seeder, answered: false, settled: 0, touched: timeMs })
      return 'true'
    }
    if (known.consumer !== consumer || known.seeder !== seeder) return 'false'
    known.touched = Math.max(known.touched, timeMs)
    return 'true'
  }

  #answer({ session, consumer, seeder }: SessionParties, timeMs: number): string {
    const known = this.sessions.get(session)
    if (known === undefined || known.consumer !== consumer || known.seeder !== seeder) return 'false'
    known.answered = true
    known.touched = Math.max(known.touched, timeMs)
    return 'true'
  }

  #settle({ session, consumer, seeder, bytes }: SignedReceipt, timeMs: number): string {
    const known = this.sessions.get(session)
    if (!known?.answered) return 'unknown-session'
    if (known.consumer !== consumer || known.seeder !== seeder) return 'not-a-party'
    const [from, to] = [this.wallets.get(consumer), this.wallets.get(seeder)]
    if (from === undefined || to === undefined) return 'not-a-party'
    if (bytes <= known.settled) return `settled false ${known.settled}`
    const difference = bytes - known.settled
    if (difference > from) return 'no-coins'
    this.wallets.set(consumer, from - difference)
    this.wallets.set(seeder, to + difference)
    known.settled = bytes
    known.touched = Math.max(known.touched, timeMs)
    this.blocks += 1
    return `settled true ${bytes}`
  }
}

/** The same operation on a store, its answer in the words of the reference. */
export async function perform(store: HubStore, operation: Operation): Promise<readonly string[]> {
  switch (operation.type) {
    case 'register': {
      const { name, key, bytes, invite } = operation
      const inviteHash = invite === undefined ? {} : { inviteHash: String(invite) }
      const who = { nickname: nameOf(name), pubKey: keyOf(key), signature: someSignature }
      const request = { ...who, grantBytes: bytes, timeMs: 1, ...inviteHash }
      const result = await store.register(request)
      return [result.type === 'registered' ? `registered ${result.line.seq}` : `${result.type} ${result.what}`]
    }
    case 'invite':
      await store.addInvite({ codeHash: String(operation.invite), timeMs: 1 })
      return []
    case 'offer':
      return [String(await store.recordOffer({ ...operation.parties, timeMs: operation.timeMs }))]
    case 'answer':
      return [String(await store.recordAnswer({ ...operation.parties, timeMs: operation.timeMs }))]
    case 'settle':
      return (await store.settle(operation.receipts, operation.timeMs)).map(result =>
        result.type === 'refused'
          ? result.code
          : `settled ${result.moved} ${result.bytes} ${result.consumerBytes} ${result.seederBytes}`,
      )
    case 'prune':
      return [String(await store.pruneSessions(operation.beforeMs))]
  }
}

/** How large the world of a history is. Small, so that its parts meet. */
export interface World {
  readonly people: number
  readonly sessions: number
  readonly invites: number
  readonly maxGrantBytes: number
}

/** Makes operations from numbers that `draw(n)` gives, from 0 to below n. */
export function operationMaker(world: World, draw: (below: number) => number): () => Operation {
  let nowMs = 1_000_000
  let made = 0
  /** Sessions come and go. */
  const sessionNow = (): number => Math.floor(made / 100) + draw(world.sessions)
  const sessionId = (index: number): string => `session-${String(index).padStart(12, '0')}`
  /** Each session has its parties; one in ten times somebody else is named. */
  const partiesOf = (index: number): SessionParties => {
    const stray = draw(10)
    const consumer = stray === 0 ? draw(world.people) : (index * 7) % world.people
    const step = stray === 1 ? draw(world.people - 1) : (index * 3) % (world.people - 1)
    const parties = { consumer: keyOf(consumer), seeder: keyOf((consumer + 1 + step) % world.people) }
    return stray === 2
      ? { session: sessionId(index), consumer: parties.seeder, seeder: parties.consumer }
      : { session: sessionId(index), ...parties }
  }
  /** What was last signed of each session: most receipts go on from there, some repeat it or fall behind, few claim too much. */
  const signed = new Map<string, number>()
  const receipt = (): SignedReceipt => {
    const parties = partiesOf(sessionNow())
    const before = signed.get(parties.session) ?? 0
    const way = draw(20)
    if (way < 5) return receiptOf(parties, 1 + draw(before))
    if (way === 5) return receiptOf(parties, 1 + draw(world.maxGrantBytes * 3))
    const bytes = before + 1 + draw(world.maxGrantBytes / 40)
    signed.set(parties.session, bytes)
    return receiptOf(parties, bytes)
  }
  return () => {
    made += 1
    nowMs += draw(10)
    const timeMs = nowMs - (draw(8) === 0 ? draw(1_000) : 0)
    const kind = draw(100)
    if (kind < 8) {
      const person = draw(world.people)
      const other = draw(6) === 0 ? draw(world.people) : person
      const register = { type: 'register' as const, name: person, key: other, bytes: draw(world.maxGrantBytes) }
      return draw(3) === 0 ? { ...register, invite: draw(world.invites) } : register
    }
    if (kind < 10) return { type: 'invite', invite: draw(world.invites) }
    if (kind < 25) return { type: 'offer', parties: partiesOf(sessionNow()), timeMs }
    if (kind < 38) return { type: 'answer', parties: partiesOf(sessionNow()), timeMs }
    if (kind < 39) return { type: 'prune', beforeMs: timeMs - 8_000 }
    return { type: 'settle', receipts: Array.from({ length: 1 + draw(draw(4) === 0 ? 12 : 2) }, receipt), timeMs }
  }
}
