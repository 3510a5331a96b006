import type { AuditMarks, LedgerMark } from '../ports.js'

/** How far ledgers were followed, for as long as the object lives. */
export function createMemoryMarks(): AuditMarks {
  const marks = new Map<string, LedgerMark>()
  return {
    read: hubKey => marks.get(hubKey),
    write: (hubKey, mark) => void marks.set(hubKey, mark),
  }
}
