/** A block as a hub's tables hold it. Nothing of it is trusted: a disk or a hand may have changed any of it. */
export interface LedgerRow {
  readonly seq: unknown
  readonly prev_hash: unknown
  readonly time: unknown
  readonly kind: unknown
  readonly payer: unknown
  readonly payee: unknown
  readonly bytes: unknown
  readonly receipt: unknown
  readonly hash: unknown
}

/** Numbers as they are written by hand, whatever the library made of them. */
function json(value: unknown): string {
  return typeof value === 'bigint' ? value.toString() : JSON.stringify(value)
}

/** The line that this row makes. The receipt is its text as it is kept, so that a byte that changed there is seen as well. */
export function rowLine(row: LedgerRow): string {
  const { seq, prev_hash, time, kind, payer, payee, bytes, receipt, hash } = row
  const proof = typeof receipt === 'string' ? receipt : json(receipt)
  return `{"seq":${json(seq)},"prev_hash":${json(prev_hash)},"time":${json(time)},"kind":${json(kind)},"from":${json(payer)},"to":${json(payee)},"bytes":${json(bytes)},"receipt":${proof},"hash":${json(hash)}}`
}

/** The hub's own key pair, a wallet with its name (null where there is none), and a session, as a hub's tables hold them. */
export interface KeyRow {
  readonly pub_key: unknown
  readonly priv_key: unknown
}
export interface WalletRow {
  readonly wallet: unknown
  readonly bytes: unknown
  readonly nickname: unknown
  /** Of the registration. Null where it was not kept, undefined where the schema is from before. */
  readonly signature?: unknown
}
export interface SessionRow {
  readonly session: unknown
  readonly consumer: unknown
  readonly seeder: unknown
  readonly answered: unknown
  readonly settled: unknown
  readonly last_seq: unknown
  /** Of the block that `last_seq` names; null where there is none. */
  readonly receipt: unknown
}

/** A hub's database, opened to be read: one state of it, whatever the hub does meanwhile. Whole numbers are bigints. */
export interface LedgerDatabase {
  /** The row that the hub itself goes by; undefined before its first start. */
  keys(): Promise<KeyRow | undefined>
  /** At most `limit` rows after that number, in order. */
  blocksAfter(seq: number, limit: number): Promise<readonly LedgerRow[]>
  /** Wallets and sessions, a page at a time in the order of their keys. */
  walletsAfter(pubKey: string, limit: number): Promise<readonly WalletRow[]>
  sessionsAfter(session: string, limit: number): Promise<readonly SessionRow[]>
  nameCount(): Promise<bigint>
  /** What is wrong with the database itself, in words: its pages, indexes and references, and the definitions of its tables. */
  damage(): Promise<string | undefined>
  /** What else has to be known about how it was read. */
  remarks(): Promise<readonly string[]>
}
