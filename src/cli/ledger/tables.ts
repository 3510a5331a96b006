import {
  type LedgerDatabase,
  type LedgerRow,
  rowLine,
  type SessionRow,
  type WalletRow,
} from '../../hub/protocol/ledger-rows.js'
import type { CryptoPort } from '../../ports.js'
import type { LedgerAudit } from '../../protocol/ledger-audit.js'
import { type LedgerEntry, parseLedgerLine } from '../../protocol/ledger-line.js'
import { isNickname } from '../../protocol/nickname.js'
import { parseReceipt, type SignedReceipt } from '../../protocol/receipt.js'
import { isBase64Of, isPublicKey, isSession } from '../../protocol/signal.js'
import { registerText } from '../../protocol/signed-texts.js'

/** Read at once from a table. */
const pageRows = 1_000

/** What the hub's key is tried with. Made for nothing else, as every signed text says what it is for. */
const trialText = 'lighthouse/trial/1\n'

type Signing = Pick<CryptoPort, 'sign' | 'verify'>

/** What the tables of a database came to beside its ledger. */
export interface TablesVerdict {
  readonly problem: string | undefined
  /** Names that nothing vouches for: they were registered before signatures were kept. */
  readonly unsignedNames: number
  /** What else has to be known about the database. */
  readonly remarks: readonly string[]
}

async function* rowsOf<Row>(
  page: (after: string) => Promise<readonly Row[]>,
  keyOf: (row: Row) => unknown,
): AsyncGenerator<Row> {
  for (let after = '', isMore = true; isMore;) {
    const rows = await page(after)
    yield* rows
    after = String(rows.at(-1) && keyOf(rows.at(-1)!))
    isMore = rows.length === pageRows
  }
}

/** The first block that fits. */
async function findBlock(database: LedgerDatabase, fits: (entry: LedgerEntry) => boolean): Promise<number | undefined> {
  for (let after = 0; ;) {
    const rows: readonly LedgerRow[] = await database.blocksAfter(after, pageRows)
    for (const row of rows) {
      const entry = parseLedgerLine(rowLine(row))
      if (entry !== undefined && fits(entry)) return entry.seq
    }
    if (rows.length < pageRows) return undefined
    after = Number(rows.at(-1)!.seq)
  }
}

function canSign({ sign, verify }: Signing, pubKey: string, privKey: unknown): boolean {
  if (!isBase64Of(privKey, 64) || !Buffer.from(privKey, 'base64').subarray(32).equals(Buffer.from(pubKey, 'base64')))
    return false
  try {
    return verify(pubKey, trialText, sign(privKey, trialText))
  } catch {
    // Not the half of any key.
    return false
  }
}

/** Whether the hub can go on to sign as who it is. Says nothing of the private key itself. */
export async function keyProblem(database: LedgerDatabase, crypto: Signing): Promise<string | undefined> {
  const row = await database.keys()
  if (row === undefined) {
    return (await database.blocksAfter(0, 1)).length === 0 ? undefined : "table hub: the hub's key pair is not there"
  }
  if (!isPublicKey(row.pub_key)) return "table hub: the hub's public key is none"
  return canSign(crypto, row.pub_key, row.priv_key)
    ? undefined
    : "table hub: the hub's private key does not fit its public key"
}

function nameProblem(
  { wallet, nickname, signature }: WalletRow & { readonly wallet: string },
  crypto: Signing,
): string | undefined {
  if (nickname === null) return `table names: the key ${wallet} has no name`
  if (typeof nickname !== 'string' || !isNickname(nickname)) return `table names: the name of ${wallet} is none`
  if (signature === null || signature === undefined) return undefined
  return typeof signature === 'string' && crypto.verify(wallet, registerText(nickname, wallet), signature)
    ? undefined
    : `table names: "${nickname}" is not what the key ${wallet} was registered as`
}

/** Wallets are one to one with grants, and names one to one with wallets. */
async function walletsVerdict(
  database: LedgerDatabase,
  audit: LedgerAudit,
  crypto: Signing,
): Promise<Omit<TablesVerdict, 'remarks'>> {
  const left = new Set(audit.wallets.keys())
  let unsignedNames = 0
  const found = (problem: string): Omit<TablesVerdict, 'remarks'> => ({ problem, unsignedNames })
  for await (const row of rowsOf(
    after => database.walletsAfter(after, pageRows),
    ({ wallet }: WalletRow) => wallet,
  )) {
    const wallet = String(row.wallet)
    const expected = audit.wallets.get(wallet)?.bytes
    if (expected === undefined) return found(`table wallets: the wallet of ${wallet} is not in the ledger`)
    if (!left.delete(wallet)) return found(`table wallets: the wallet of ${wallet} is there twice`)
    if (row.bytes !== BigInt(expected)) {
      return found(
        `table wallets: the wallet of ${wallet} holds ${String(row.bytes)} bytes, and ${expected} by the ledger`,
      )
    }
    const problem = nameProblem({ ...row, wallet }, crypto)
    if (problem !== undefined) return found(problem)
    if (typeof row.signature !== 'string') unsignedNames += 1
  }
  const [missing] = left
  if (missing !== undefined) {
    const block = await findBlock(database, ({ kind, to }) => kind === 'grant' && to === missing)
    const which = `the first is that of ${missing}, which block ${block} granted to`
    return found(
      `table wallets: ${left.size} of ${audit.wallets.size} wallets of the ledger are not in the database; ${which}`,
    )
  }
  const names = await database.nameCount()
  return names === BigInt(audit.wallets.size)
    ? { problem: undefined, unsignedNames }
    : found(`table names: it has ${names} names for ${audit.wallets.size} wallets`)
}

function receiptOf(text: unknown): SignedReceipt | undefined {
  try {
    return parseReceipt(JSON.parse(String(text)))
  } catch {
    // Not JSON, so none.
    return undefined
  }
}

function sessionProblem(row: SessionRow, audit: LedgerAudit): string | undefined {
  const { session, consumer, seeder, answered, settled, last_seq: last } = row
  const name = `table sessions: session ${String(session)}`
  if (!isSession(session)) return `${name} has no such ID`
  const expected = audit.sessions.take(session) ?? 0
  if (settled !== BigInt(expected))
    return `${name} is settled up to ${String(settled)} bytes, and ${expected} by the ledger`
  if (!isPublicKey(consumer) || !isPublicKey(seeder) || consumer === seeder) return `${name} is not between two keys`
  const isAnswered = answered === true || answered === 1n
  if (!isAnswered && answered !== false && answered !== 0n) return `${name} is neither answered nor not`
  if (expected === 0) return last === null ? undefined : `${name} has a last block, and nothing is settled of it`
  const receipt = receiptOf(row.receipt)
  // Settled bytes only rise: no other block has both.
  if (receipt?.session !== session || receipt.bytes !== expected)
    return `${name} names block ${String(last)} as its last, which it is not`
  if (receipt.consumer !== consumer || receipt.seeder !== seeder)
    return `${name} is between other keys than in block ${String(last)}`
  return isAnswered ? undefined : `${name} was not answered, and block ${String(last)} settles it`
}

/** Sessions of which something is settled are one to one with those of the ledger. */
async function sessionsProblem(database: LedgerDatabase, audit: LedgerAudit): Promise<string | undefined> {
  let found = 0
  for await (const row of rowsOf(
    after => database.sessionsAfter(after, pageRows),
    ({ session }: SessionRow) => session,
  )) {
    const problem = sessionProblem(row, audit)
    if (problem !== undefined) return problem
    if (row.settled !== 0n) found += 1
  }
  if (found === audit.sessions.size) return undefined
  const isLeft = ({ receipt }: LedgerEntry): boolean => receipt !== null && audit.sessions.get(receipt.session) !== 0
  const block = await findBlock(database, isLeft)
  return `table sessions: ${audit.sessions.size - found} of ${audit.sessions.size} sessions of the ledger are not in the database; the first is that of block ${block}`
}

/**
 * Compares the tables of a database with its ledger, which was followed to its end, and looks for damage of what they lie
 * in. Takes the sessions out of the audit.
 */
export async function verifyTables(
  database: LedgerDatabase,
  audit: LedgerAudit,
  crypto: Signing,
): Promise<TablesVerdict> {
  const verdict = await walletsVerdict(database, audit, crypto)
  const problem = verdict.problem ?? (await sessionsProblem(database, audit)) ?? (await database.damage())
  return { ...verdict, problem, remarks: await database.remarks() }
}
