import type { ConsumerAccount, ReceiptBook } from '../ports.js'
import type { Receipt, Settlement, SignedReceipt } from '../protocol/receipt.js'
import type { LedgerHead } from '../protocol/signal.js'

/** The same bounds and grain as the file's. */
const keptHeads = 1_000
const newestSessions = 1_000
const minuteMs = 60_000

interface Parties {
  readonly seeder: string
  readonly consumer: string
}

interface Entry {
  readonly order: number
  readonly parties: Parties
  readonly receipt: SignedReceipt | undefined
  readonly settlement: Settlement | undefined
  /** Its receipts up to so many bytes are no longer due. */
  readonly givenUpBytes: number
}

/** Not given up, or for a receipt below the highest, or the hub settled it after all. */
function isAlive({ receipt, settlement, givenUpBytes }: Entry): boolean {
  return (receipt?.bytes ?? 0) > givenUpBytes || (settlement?.bytes ?? 0) >= givenUpBytes
}

function add<Key>(sums: Map<Key, number>, key: Key, bytes: number): void {
  sums.set(key, (sums.get(key) ?? 0) + bytes)
}

/** A hub's heads by number, without those that fell out of the window. */
function withHead(before: ReadonlyMap<number, readonly LedgerHead[]>, head: LedgerHead): Map<number, LedgerHead[]> {
  const { seq, hash, signature } = head
  const same = before.get(seq) ?? []
  const isNew = same.length < 2 && same.every(other => other.hash !== hash)
  const heads = new Map([...before].map(([number, kept]) => [number, [...kept]]))
  heads.set(seq, isNew ? [...same, { seq, hash, signature }] : [...same])
  if (heads.size > keptHeads) heads.delete([...heads.keys()].reduce((least, number) => Math.min(least, number)))
  return heads
}

/**
 * A receipt book that lasts as long as the object, for the peer with this key. For peers without a home: what they hold
 * when they end is not claimed any more, and debts are forgotten.
 *
 * @param now wall clock in milliseconds, for the days of `signedSince`.
 */
export function createMemoryReceiptBook(pubKey: string, now: () => number = Date.now): ReceiptBook {
  const sessions = new Map<string, Entry>()
  const debts = new Map<string, Receipt>()
  const served = new Map<string, number>()
  const paid = new Map<string, number>()
  const signedBySeeder = new Map<string, number>()
  const signedByMinute = new Map<number, number>()
  const heads = new Map<string, Map<number, LedgerHead[]>>()

  const due = function* (): Iterable<{ readonly receipt: SignedReceipt; readonly unsettledBytes: number }> {
    for (const { receipt, settlement, givenUpBytes } of sessions.values()) {
      if (receipt === undefined) continue
      const unsettledBytes = receipt.bytes - Math.max(settlement?.bytes ?? 0, givenUpBytes)
      if (unsettledBytes > 0) yield { receipt, unsettledBytes }
    }
  }

  /** In the order of their blocks. */
  const settled = (): readonly (Entry & { readonly settlement: Settlement })[] =>
    [...sessions.values()]
      .filter((entry): entry is Entry & { readonly settlement: Settlement } => entry.settlement !== undefined)
      .toSorted((one, other) => one.settlement.seq - other.settlement.seq || one.order - other.order)

  /** The session with these parties, as it is or new. Undefined when it has others. */
  function known(session: string, { seeder, consumer }: Parties): Entry | undefined {
    const entry = sessions.get(session)
    if (entry !== undefined)
      return entry.parties.seeder === seeder && entry.parties.consumer === consumer ? entry : undefined
    const parties = { seeder, consumer }
    const opened = {
      order: sessions.size,
      parties,
      receipt: undefined,
      settlement: undefined,
      givenUpBytes: 0,
    }
    sessions.set(session, opened)
    return opened
  }

  return {
    open({ session, seeder, consumer }) {
      known(session, { seeder, consumer })
    },

    parties: session => sessions.get(session)?.parties,

    keep(receipt) {
      const { hub_key, session, seeder, consumer, bytes, signature } = receipt
      if (seeder !== pubKey && consumer !== pubKey) return
      const entry = known(session, { seeder, consumer })
      const more = bytes - (entry?.receipt?.bytes ?? 0)
      if (entry === undefined || more <= 0) return
      sessions.set(session, { ...entry, receipt: { hub_key, session, seeder, consumer, bytes, signature } })
      if (consumer !== pubKey) return
      add(signedBySeeder, seeder, more)
      add(signedByMinute, Math.floor(now() / minuteMs), more)
    },

    settle(settlement) {
      const { session, bytes, coins, seq, hash, signature } = settlement
      const entry = sessions.get(session)
      if (entry === undefined) return 0
      const ahead = bytes - (entry.settlement?.bytes ?? 0)
      if (ahead <= 0) return 0
      sessions.set(session, { ...entry, settlement: { session, bytes, coins, seq, hash, signature } })
      const { consumer } = entry.parties
      if (consumer !== pubKey) add(paid, consumer, ahead)
      return ahead
    },

    due(limit, before) {
      const end = before === undefined ? Infinity : (sessions.get(before)?.order ?? 0)
      const older = [...due()].filter(({ receipt }) => sessions.get(receipt.session)!.order < end)
      return older
        .toReversed()
        .slice(0, limit)
        .map(({ receipt }) => receipt)
    },

    ofDebtors: limit =>
      [...sessions.values()]
        .toReversed()
        .slice(0, newestSessions)
        .flatMap(entry => {
          const { receipt } = entry
          if (receipt === undefined || !isAlive(entry) || receipt.consumer === pubKey) return []
          return (served.get(receipt.consumer) ?? 0) > (paid.get(receipt.consumer) ?? 0) ? receipt : []
        })
        .slice(0, limit),

    unreceipted: limit =>
      [...sessions]
        .toReversed()
        .filter(([, { parties, receipt, settlement }]) => {
          const { seeder, consumer } = parties
          if (seeder !== pubKey || receipt !== undefined || settlement !== undefined) return false
          return (served.get(consumer) ?? 0) > (paid.get(consumer) ?? 0)
        })
        .map(([session]) => session)
        .slice(0, limit),

    headBefore(hubKey, seq) {
      const numbers = [...(heads.get(hubKey)?.keys() ?? [])].filter(number => number < seq)
      return numbers.length === 0 ? undefined : this.headsAt(hubKey, Math.max(...numbers))[0]
    },

    unsettledBytes(consumer, hubKey) {
      let bytes = 0
      for (const { receipt, unsettledBytes } of due()) {
        if (receipt.consumer === consumer && receipt.hub_key === hubKey) bytes += unsettledBytes
      }
      return bytes
    },

    owe({ hub_key, session, seeder, consumer, bytes }) {
      if (bytes > (known(session, { seeder, consumer })?.receipt?.bytes ?? 0))
        debts.set(session, { hub_key, session, seeder, consumer, bytes })
    },

    owed: hubKey =>
      [...debts.values()].filter(({ hub_key, session, bytes }) => {
        const entry = sessions.get(session)
        return hub_key === hubKey && (entry === undefined || isAlive(entry)) && bytes > (entry?.receipt?.bytes ?? 0)
      }),

    giveUp(session) {
      const entry = sessions.get(session)
      if (entry !== undefined) sessions.set(session, { ...entry, givenUpBytes: entry.receipt?.bytes ?? 0 })
    },

    givenUp: session => sessions.get(session)?.givenUpBytes ?? 0,

    receipt: session => sessions.get(session)?.receipt,

    account: (consumer): ConsumerAccount => ({
      servedBytes: served.get(consumer) ?? 0,
      paidBytes: paid.get(consumer) ?? 0,
    }),

    serve: (consumer, servedBytes) => void served.set(consumer, servedBytes),

    signedSince(sinceMs) {
      let bytes = 0
      for (const [minute, signed] of signedByMinute) if (minute >= Math.floor(sinceMs / minuteMs)) bytes += signed
      return bytes
    },

    signedFor: seeder => signedBySeeder.get(seeder) ?? 0,

    settlement: session => sessions.get(session)?.settlement,

    settlements: () => settled().map(({ settlement, receipt }) => ({ ...settlement, receipt })),

    settlementsAt: seq => settled().flatMap(({ settlement }) => (settlement.seq === seq ? [settlement] : [])),

    newestSettlement: hubKey =>
      settled().findLast(({ receipt }) => (receipt?.hub_key ?? hubKey) === hubKey)?.settlement,

    keepHead(hubKey, head) {
      heads.set(hubKey, withHead(heads.get(hubKey) ?? new Map(), head))
    },

    headsAt: (hubKey, seq) =>
      (heads.get(hubKey)?.get(seq) ?? []).toSorted((one, other) => (one.hash < other.hash ? -1 : 1)),

    newestHead(hubKey) {
      const numbers = [...(heads.get(hubKey)?.keys() ?? [])]
      if (numbers.length === 0) return undefined
      return this.headsAt(
        hubKey,
        numbers.reduce((most, number) => Math.max(most, number)),
      )[0]
    },
  }
}
