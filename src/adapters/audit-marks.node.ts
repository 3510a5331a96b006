/**
 * audit.json: how far the ledgers of this peer's hubs were followed.
 */
import { join } from 'node:path'
import type { AuditMarks, LedgerMark } from '../ports.js'
import { LighthouseError } from '../protocol/errors.js'
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

function parse(path: string, text: string): Map<string, LedgerMark> {
  // What cannot be read is not replaced by itself: a ledger that was rewritten meanwhile would be trusted anew.
  const next = 'Restore it, or remove it to trust the next head of the ledger that the hub shows'
  let hubs: unknown
  try {
    hubs = (JSON.parse(text) as { readonly hubs?: unknown } | null)?.hubs
  } catch (cause) {
    throw new LighthouseError('store-failed', `"${path}" is not JSON. ${next}`, {}, { cause })
  }
  const entries =
    typeof hubs === 'object' && hubs !== null ? Object.entries(hubs as Record<string, unknown>) : undefined
  if (entries === undefined || !entries.every(([key, mark]) => isPublicKey(key) && isMark(mark))) {
    throw new LighthouseError('store-failed', `"${path}" does not hold marks of ledgers. ${next}`)
  }
  return new Map(entries as [string, LedgerMark][])
}

/**
 * Marks kept in `home`. The file is read once, here, and written whole (mode 0600) at each mark, which is every ten seconds at
 * most. Throws `store-failed` when it is malformed, too open, or cannot be written.
 */
export function openAuditMarks(home: string): AuditMarks {
  const path = auditMarksPath(home)
  const text = readPrivateFile(path, 'store-failed')
  const marks = text === undefined ? new Map<string, LedgerMark>() : parse(path, text)
  return {
    read: hubKey => marks.get(hubKey),
    write(hubKey, { seq, hash, disputed }) {
      const mark = { seq, hash, ...(disputed === undefined ? {} : { disputed }) }
      const grown = new Map(marks).set(hubKey, mark)
      ensurePrivateFolder(home, 'store-failed')
      const file = { version: 1, hubs: Object.fromEntries(grown) }
      writePrivateFile(path, `${JSON.stringify(file, null, 2)}\n`, 'store-failed')
      marks.set(hubKey, mark)
    },
  }
}
