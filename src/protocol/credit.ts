/**
 * The seeder's credit window for one consumer key: how much it may take before it has paid. Plain data in, plain data
 * out; who lets bytes go tells it first and asks again.
 *
 * Two bounds at once, W being `creditWindow(paid)`:
 *
 *   served − paid ≤ W                                  what the key owes since ever, so that reconnecting gains nothing
 *   Σ over live sessions (sent − settled) ≤ min(W, 16 MB)   what is open at a time
 */
import { bytesPerCoin } from './coins.js'

/** What a key may owe that has never paid: a quarter of a second at 4 MB/s, and the price of one coin. */
export const firstCreditBytes = bytesPerCoin
/** What a key has paid counts by a sixteenth: a cheat has to have paid sixteen times what it takes. */
const creditShare = 16
/** Open at most: 0.4 s at 40 MB/s, more than settling takes on a slow path. */
export const maxOpenBytes = 16 * bytesPerCoin
/**
 * How far ahead of sending the account on disk is told at least, so a crash of the seeder adds at most this, or an eighth
 * of the window, to a debt and never loses one. Each announcement cuts what is sent in one go, which costs a key that
 * takes much a fifth of its rate.
 */
export const announceBytes = 262_144

function announceAhead(paidBytes: number): number {
  return Math.max(announceBytes, Math.floor(Math.min(creditWindow(paidBytes), maxOpenBytes) / 8))
}

/** How a live session stands. Payload bytes. */
export interface CreditSession {
  readonly sentBytes: number
  /** Settled of this session since it was opened. May be ahead of what was sent. */
  readonly settledBytes: number
}

/** How one consumer key stands with this seeder. */
export interface Credit {
  /** Sent to it since ever. */
  readonly servedBytes: number
  /** Settled by it since ever. */
  readonly paidBytes: number
  /** What is on disk as served; nothing is sent beyond it. */
  readonly announcedBytes: number
  readonly sessions: ReadonlyMap<string, CreditSession>
}

/** W in bytes: what a key may owe that has paid so much. */
export function creditWindow(paidBytes: number): number {
  return Math.max(firstCreditBytes, Math.floor(paidBytes / creditShare))
}

/** From what the receipt book keeps. No session is live. */
export function createCredit(account: { readonly servedBytes: number; readonly paidBytes: number }): Credit {
  const { servedBytes, paidBytes } = account
  return { servedBytes, paidBytes, announcedBytes: servedBytes, sessions: new Map() }
}

function withSession(credit: Credit, session: string, entry: CreditSession): Credit {
  return { ...credit, sessions: new Map(credit.sessions).set(session, entry) }
}

/** A session begins. One that is live already goes on as it is. */
export function openSession(credit: Credit, session: string): Credit {
  return credit.sessions.has(session) ? credit : withSession(credit, session, { sentBytes: 0, settledBytes: 0 })
}

/** This session has sent so much in all. What was told before, or of a session that is not live, changes nothing. */
export function sent(credit: Credit, session: string, bytesTotal: number): Credit {
  const entry = credit.sessions.get(session)
  if (entry === undefined || bytesTotal <= entry.sentBytes) return credit
  const servedBytes = credit.servedBytes + bytesTotal - entry.sentBytes
  return { ...withSession(credit, session, { ...entry, sentBytes: bytesTotal }), servedBytes }
}

/**
 * A settlement arrived that is `newBytes` ahead of the one before for this session: what `ReceiptBook.settle` returned.
 * For a session that is over it reduces the debt. Differences and not totals, since the consumer chooses the session's
 * ID: one that was used before must not bring along what it had settled then.
 */
export function settled(credit: Credit, session: string, newBytes: number): Credit {
  if (newBytes <= 0) return credit
  const paid = { ...credit, paidBytes: credit.paidBytes + newBytes }
  const entry = credit.sessions.get(session)
  return entry === undefined
    ? paid
    : withSession(paid, session, { ...entry, settledBytes: entry.settledBytes + newBytes })
}

/** A session is over, after its last `sent`. What it owes stays owed. */
export function closeSession(credit: Credit, session: string): Credit {
  if (!credit.sessions.has(session)) return credit
  const sessions = new Map(credit.sessions)
  sessions.delete(session)
  return { ...credit, sessions }
}

/** What is sent and not settled in live sessions. A session that is settled ahead does not pay for another. */
export function openBytes(credit: Credit): number {
  let open = 0
  for (const { sentBytes, settledBytes } of credit.sessions.values()) open += Math.max(0, sentBytes - settledBytes)
  return open
}

/** What may be sent now in all sessions together, whether or not it was announced. */
function creditLeft(credit: Credit): number {
  const window = creditWindow(credit.paidBytes)
  const owed = credit.servedBytes - credit.paidBytes
  return Math.max(0, Math.min(window - owed, Math.min(window, maxOpenBytes) - openBytes(credit)))
}

/**
 * Payload bytes that this session may have sent in all; never below what it has sent, 0 for one that is not live.
 * Whatever one session sends comes off all of them: after each change the limits of all live sessions count anew, before
 * anything else is sent.
 */
export function limitOf(credit: Credit, session: string): number {
  const entry = credit.sessions.get(session)
  if (entry === undefined) return 0
  return entry.sentBytes + Math.min(creditLeft(credit), Math.max(0, credit.announcedBytes - credit.servedBytes))
}

/** `limitOf` every live session. */
export function limits(credit: Credit): ReadonlyMap<string, number> {
  return new Map([...credit.sessions.keys()].map(session => [session, limitOf(credit, session)]))
}

/**
 * What the receipt book has to be told as served now, or undefined when it need not be told. Told early enough that no
 * session waits, and never beyond what the window allows, so that a crash takes no key out of its window.
 *
 *     const due = announcement(credit)
 *     if (due !== undefined) {
 *       book.serve(consumer, due)
 *       credit = announced(credit, due)
 *     }
 */
export function announcement(credit: Credit): number | undefined {
  const { servedBytes, announcedBytes, paidBytes, sessions } = credit
  const ahead = announceAhead(paidBytes)
  // With nothing live the account is put right: what was announced and not sent is no debt.
  if (sessions.size === 0) return announcedBytes === servedBytes ? undefined : servedBytes
  const due = servedBytes + Math.min(ahead, creditLeft(credit))
  if (due <= announcedBytes) return undefined
  // Half used up, or less there than may be sent: then a session could wait for it.
  return announcedBytes - servedBytes <= ahead / 2 ? due : undefined
}

/** The receipt book was told that so much was served. */
export function announced(credit: Credit, servedBytes: number): Credit {
  return { ...credit, announcedBytes: servedBytes }
}
