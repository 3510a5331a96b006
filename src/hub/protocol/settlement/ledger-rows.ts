/** A block as a hub's tables hold it. Nothing of it is trusted: a disk or a hand may have changed any of it. */
export type LedgerRow = Readonly<
  Record<'seq' | 'prev_hash' | 'time' | 'kind' | 'payer' | 'payee' | 'bytes' | 'receipt' | 'hash', unknown>
>

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

/** A hub's database, opened to be read: one state of it, whatever the hub does meanwhile. Whole numbers are bigints. */
export interface LedgerDatabase {
  /** The hub's public key; undefined before its first start. */
  hubKey(): Promise<unknown>
  /** At most `limit` rows after that number, in order. */
  blocksAfter(seq: number, limit: number): Promise<readonly LedgerRow[]>
  /** What the database itself detects as damaged in its file, in words. */
  damage(): Promise<string | undefined>
}
