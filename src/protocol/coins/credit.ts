/**
 * The seeder's credit window for one consumer key: how much it may take before it has paid. Plain data in, plain data
 * out: a sender records what it sent, and asks again before it sends more.
 *
 *     served − paid ≤ W = creditWindow(paid)
 *
 * What the key owes since ever, over all its sessions, so that reconnecting gains nothing; less what has faded (`fading`).
 *
 * While the hub is away nobody can settle. Then receipts in this peer's hand open as much more, for a key that has paid before:
 *
 *     served − paid ≤ max(W, min(W + promised, T)),  T = min(paid, balance, 1 GB)
 */
import { bytesPerCoin } from './amount.js'
import { fadeByPayment, fadeByTime } from './fading.js'

/** What a key may owe that has never paid: a quarter of a second at 4 MB/s, and the price of one coin. */
export const firstCreditBytes = bytesPerCoin
/** What a key has paid counts by a sixteenth: a cheat has to have paid sixteen times what it takes. */
const creditShare = 16
/** However much was paid: 0.4 s at 40 MB/s, more than settling takes on a slow path. */
export const maxCreditBytes = 16 * bytesPerCoin
/** However much was paid: what a key may owe while the hub is away. A film or two. */
export const maxTrustBytes = 1_000 * bytesPerCoin
/**
 * How far ahead of sending the account on disk is updated at least, so a crash of the seeder adds at most this, or an eighth
 * of the window, to a debt and never loses one. Each announcement cuts what is sent in one go, which costs a key that
 * takes much a fifth of its rate.
 */
export const announceBytes = 262_144

function announceAhead(paidBytes: number): number {
  return Math.max(announceBytes, Math.floor(creditWindow(paidBytes) / 8))
}

/** What the receipt store keeps of one consumer key. */
export interface CreditAccount {
  /** Sent to it since ever, less what was forgiven and what has faded. */
  readonly servedBytes: number
  /** Settled by it since ever. */
  readonly paidBytes: number
  /** Since when its debt has not faded, by the wall clock. */
  readonly debtSinceMs: number
  /** What its wallet held when the hub told of it last. */
  readonly balanceBytes: number
}

/** What was sent and settled in one live session. Payload bytes. */
interface LiveSession {
  readonly sentBytes: number
  readonly paidBytes: number
}

/** How one consumer key stands with this seeder. */
export interface Credit extends CreditAccount {
  /** What is on disk as served; nothing is sent beyond it. */
  readonly announcedBytes: number
  /** What its receipts say that are here and not settled. */
  readonly promisedBytes: number
  readonly sessions: ReadonlyMap<string, LiveSession>
}

/** W in bytes: what a key may owe that has paid so much. */
export function creditWindow(paidBytes: number): number {
  return Math.min(maxCreditBytes, Math.max(firstCreditBytes, Math.floor(paidBytes / creditShare)))
}

/** From what the receipt store keeps. No session is live. */
export function createCredit(account: CreditAccount): Credit {
  const { servedBytes, paidBytes, debtSinceMs, balanceBytes } = account
  const kept = { servedBytes, paidBytes, debtSinceMs, balanceBytes }
  return { ...kept, announcedBytes: servedBytes, promisedBytes: 0, sessions: new Map() }
}

/** What a key may owe while the hub is away, if it has signed for it: as much again as it has paid, as far as its wallet goes. */
function trustOf({ paidBytes, balanceBytes }: Credit): number {
  return Math.min(paidBytes, balanceBytes, maxTrustBytes)
}

/** What this key may owe now. */
function allowance(credit: Credit, isHubAway: boolean): number {
  const window = creditWindow(credit.paidBytes)
  return isHubAway ? Math.max(window, Math.min(window + credit.promisedBytes, trustOf(credit))) : window
}

function withSession(credit: Credit, session: string, live: LiveSession): Credit {
  return { ...credit, sessions: new Map(credit.sessions).set(session, live) }
}

/** A session begins. One that is live already goes on as it is. */
export function openSession(credit: Credit, session: string): Credit {
  return credit.sessions.has(session) ? credit : withSession(credit, session, { sentBytes: 0, paidBytes: 0 })
}

/** This session has sent so much in all. A lower total, or a session that is not live, changes nothing. */
export function sent(credit: Credit, session: string, bytesTotal: number): Credit {
  const live = credit.sessions.get(session)
  if (live === undefined || bytesTotal <= live.sentBytes) return credit
  const servedBytes = credit.servedBytes + bytesTotal - live.sentBytes
  return { ...withSession(credit, session, { ...live, sentBytes: bytesTotal }), servedBytes }
}

/**
 * A settlement arrived that is `newBytes` ahead of the one before for its session: what `ReceiptStore.settle` returned. It
 * counts for the key, whether or not the session is live, and lets its debt fade. Differences and not totals, since the consumer
 * chooses the session's ID: one that was used before must not bring along what it had settled then.
 */
export function settled(credit: Credit, session: string, newBytes: number): Credit {
  if (newBytes <= 0) return credit
  const live = credit.sessions.get(session)
  const next = live && withSession(credit, session, { ...live, paidBytes: live.paidBytes + newBytes })
  const paidBytes = credit.paidBytes + newBytes
  const promisedBytes = Math.max(0, credit.promisedBytes - newBytes)
  return fadePaid({ ...(next ?? credit), paidBytes, promisedBytes }, newBytes)
}

/** What is owed of sessions that are over: of those that are live nothing is lost yet. */
function debtOf({ servedBytes, paidBytes, sessions }: Credit): number {
  if (servedBytes <= paidBytes) return 0
  let unpaidBytes = 0
  for (const live of sessions.values()) unpaidBytes += Math.max(0, live.sentBytes - live.paidBytes)
  return Math.max(0, servedBytes - paidBytes - unpaidBytes)
}

/** The debt fades with the time. To be asked for before each look at the account. */
export function fade(credit: Credit, nowMs: number): Credit {
  const debtBytes = debtOf(credit)
  const { bytes, sinceMs } = fadeByTime({ bytes: debtBytes, sinceMs: credit.debtSinceMs }, nowMs)
  return { ...credit, servedBytes: credit.servedBytes - (debtBytes - bytes), debtSinceMs: sinceMs }
}

/** The debt fades by what was paid, which is in the account already. */
export function fadePaid(credit: Credit, newBytes: number): Credit {
  const debtBytes = debtOf(credit)
  return { ...credit, servedBytes: credit.servedBytes - (debtBytes - fadeByPayment(debtBytes, newBytes)) }
}

/** A session is over, after its last `sent`. What it owes stays owed. */
export function closeSession(credit: Credit, session: string): Credit {
  if (!credit.sessions.has(session)) return credit
  const sessions = new Map(credit.sessions)
  sessions.delete(session)
  return { ...credit, sessions }
}

/** Nothing is owed any more, of live sessions either, and nothing is announced. What was paid ahead stays so. */
export function forgive(credit: Credit): Credit {
  const { servedBytes, paidBytes } = credit
  return servedBytes <= paidBytes ? credit : { ...credit, servedBytes: paidBytes, announcedBytes: paidBytes }
}

/** What may be sent now in all sessions together, whether or not it was announced. */
function creditLeft(credit: Credit, isHubAway: boolean): number {
  return Math.max(0, allowance(credit, isHubAway) - (credit.servedBytes - credit.paidBytes))
}

/**
 * Payload bytes that this session may have sent in all; never below what it has sent, 0 for one that is not live.
 * Whatever one session sends comes off all of them: it has to be asked for right before anything is sent.
 */
export function limitOf(credit: Credit, session: string, isHubAway = false): number {
  const live = credit.sessions.get(session)
  if (live === undefined) return 0
  const thereBytes = Math.max(0, credit.announcedBytes - credit.servedBytes)
  return live.sentBytes + Math.min(creditLeft(credit, isHubAway), thereBytes)
}

/**
 * With what the receipt store has to record as served now in `announcedBytes`, which are the same where that need not change. Early
 * enough that no session waits, and never beyond what the window allows, so that a crash takes no key out of its window.
 */
export function announce(credit: Credit, isHubAway = false): Credit {
  const { servedBytes, announcedBytes, paidBytes, sessions } = credit
  // With nothing live the account is put right: what was announced and not sent is no debt.
  if (sessions.size === 0) return { ...credit, announcedBytes: servedBytes }
  const ahead = announceAhead(paidBytes)
  const due = servedBytes + Math.min(ahead, creditLeft(credit, isHubAway))
  const thereBytes = announcedBytes - servedBytes
  // Half used up, or less there than may be sent: then a session could wait for it. More than that: what has faded was announced.
  const isDue = (due > announcedBytes && thereBytes <= ahead / 2) || thereBytes > ahead
  return isDue ? { ...credit, announcedBytes: due } : credit
}
