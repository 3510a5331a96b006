/**
 * audit.json: how far the peers of this home have followed the ledgers of their hubs.
 */
import { join } from 'node:path'
import type { AuditMarks, LedgerMark } from '../ports.js'
import { LighthouseError } from '../protocol/errors.js'
import { isRecord } from '../protocol/json.js'
import { isBlockHash, isPublicKey } from '../protocol/signal.js'
import { ensurePrivateFolder, readPrivateFile, writePrivateFile } from './private-file.node.js'

/** The file in a peer's home. */
export function auditMarksPath(home: string): string {
  return join(home, 'audit.json')
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isMark(value: unknown): value is LedgerMark {
  const { seq, hash, disputed = 0 } = (value ?? {}) as { readonly [Name in keyof LedgerMark]?: unknown }
  return isCount(seq) && isCount(disputed) && isBlockHash(hash)
}

type Marks = ReadonlyMap<string, LedgerMark>

/** Entries whose names are keys and whose values are what `read` makes of them; undefined for anything else. */
function parseKeys<Value>(value: unknown, read: (value: unknown) => Value | undefined): Map<string, Value> | undefined {
  if (!isRecord(value)) return undefined
  const entries = Object.entries(value).map(([key, each]) => [key, read(each)] as const)
  const isGood = entries.every(([key, each]) => isPublicKey(key) && each !== undefined)
  return isGood ? new Map(entries as [string, Value][]) : undefined
}

/** Marks of hubs by the key of the peer that made them. */
function parse(path: string, text: string): Map<string, Marks> {
  // What cannot be read is not replaced by itself: a ledger that was rewritten meanwhile would be trusted anew.
  const next = 'Restore it, or remove it to trust the next head of the ledger that the hub shows'
  let file: unknown
  try {
    file = JSON.parse(text)
  } catch (cause) {
    throw new LighthouseError('store-failed', `"${path}" is not JSON. ${next}`, {}, { cause })
  }
  const { version, peers } = (file ?? {}) as { readonly version?: unknown; readonly peers?: unknown }
  // Version 1 did not say whose its marks were. A mark from before a peer's own grant would accuse the hub of a second one, so
  // trust begins anew; heads that the hub signed are in the book all the same.
  if (version === 1) return new Map()
  const marks = parseKeys(peers, hubs => parseKeys(hubs, mark => (isMark(mark) ? mark : undefined)))
  if (marks === undefined)
    throw new LighthouseError('store-failed', `"${path}" does not hold marks of ledgers. ${next}`)
  return marks
}

/**
 * Marks of the peer with this key, kept in `home`. The file is read once, here, and written whole (mode 0600) at each mark, which is
 * every ten seconds at most. Throws `store-failed` when it is malformed, too open, or cannot be written.
 */
export function openAuditMarks(home: string, pubKey: string): AuditMarks {
  const path = auditMarksPath(home)
  const text = readPrivateFile(path, 'store-failed')
  const peers = text === undefined ? new Map<string, Marks>() : parse(path, text)
  return {
    read: hubKey => peers.get(pubKey)?.get(hubKey),
    write(hubKey, { seq, hash, disputed }) {
      const mark = { seq, hash, ...(disputed === undefined ? {} : { disputed }) }
      const grown = new Map(peers.get(pubKey)).set(hubKey, mark)
      const all = new Map(peers).set(pubKey, grown)
      ensurePrivateFolder(home, 'store-failed')
      const named = [...all].map(([peer, hubs]) => [peer, Object.fromEntries(hubs)] as const)
      const file = { version: 2, peers: Object.fromEntries(named) }
      writePrivateFile(path, `${JSON.stringify(file, null, 2)}\n`, 'store-failed')
      peers.set(pubKey, grown)
    },
  }
}
