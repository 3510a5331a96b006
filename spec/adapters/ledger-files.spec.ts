import { afterEach, describe, expect, it } from '@jest/globals'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { firstValueFrom, ReplaySubject, type Subscription } from 'rxjs'
import { writeEvidence } from '../../src/adapters/evidence-file.node.js'
import { receiptBook$ } from '../../src/adapters/receipt-book.node.js'
import { receiptSnapshot$ } from '../../src/adapters/receipt-snapshot.node.js'
import type { ReceiptBook } from '../../src/ports.js'
import { smallLedger } from '../support/ledger.js'

const folders: string[] = []
const held: Subscription[] = []
afterEach(() => {
  for (const subscription of held.splice(0).reverse()) subscription.unsubscribe()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lighthouse-ledger-'))
  folders.push(folder)
  return folder
}

describe('writeEvidence', () => {
  const evidence = { kind: 'fork', hub: 'key', message: 'two heads', statements: [], lines: [] } as const
  const timeMs = Date.UTC(2026, 10, 22, 20, 13, 5, 123)

  it('writes a private file that says when, what and of whom', () => {
    const home = temporary()
    const path = writeEvidence(home, evidence, timeMs)!
    expect(path).toBe(join(home, 'evidence-2026-11-22T20-13-05.123Z-fork.json'))
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({
      version: 1,
      time: '2026-11-22T20:13:05.123Z',
      ...evidence,
    })
  })

  it('never writes over one, and stops at a hundred of a kind', () => {
    const home = temporary()
    const first = writeEvidence(home, evidence, timeMs)!
    const other = (message: string) => ({ ...evidence, message })
    const paths = Array.from({ length: 99 }, (_, count) => writeEvidence(home, other(`number ${count}`), timeMs))
    expect(new Set([first, ...paths]).size).toBe(100)
    expect(readFileSync(first, 'utf8')).toContain('two heads')
    expect(writeEvidence(home, other('one more'), timeMs + 1)).toBeUndefined()
    expect(readdirSync(home)).toHaveLength(100)
    expect(writeEvidence(home, { ...evidence, kind: 'forged' }, timeMs)).toMatch(/-forged\.json$/)
  })

  it('writes what is there already no second time', () => {
    const home = temporary()
    const first = writeEvidence(home, evidence, timeMs)
    expect(writeEvidence(home, evidence, timeMs + 1)).toBe(first)
    expect(writeEvidence(home, { ...evidence, statements: [{ by: 'key', text: 'head', signature: '' }] }, 1)).toBe(
      first,
    )
    writeFileSync(join(home, 'evidence-of-mine-fork.json'), 'cut off')
    expect(writeEvidence(home, { ...evidence, hub: 'yek' }, timeMs + 1)).not.toBe(first)
    expect(writeEvidence(home, { ...evidence, message: 'two other' }, timeMs + 1)).not.toBe(first)
    expect(readdirSync(home)).toHaveLength(4)
  })
})

describe('receiptSnapshot$', () => {
  async function open(path: string, pubKey: string): Promise<ReceiptBook> {
    const book$ = new ReplaySubject<ReceiptBook>(1)
    held.push(receiptBook$(path, pubKey).subscribe(book$))
    return firstValueFrom(book$)
  }

  it('copies a book that is open and written to, and removes the copy', async () => {
    const home = temporary()
    const { ledger, people } = smallLedger()
    const { pubKey } = people[0]
    const book = await open(join(home, 'receipts.sqlite'), pubKey)
    const entry = ledger.entries[5]!
    book.keep(entry.receipt!)
    book.settle(ledger.settlement(entry))
    const copy$ = new ReplaySubject<string | undefined>(1)
    const snapshot = receiptSnapshot$(join(home, 'receipts.sqlite')).subscribe(copy$)
    held.push(snapshot)
    const path = await firstValueFrom(copy$)
    const copied = await open(path!, pubKey)
    expect([...copied.settlements()]).toEqual([{ ...ledger.settlement(entry), receipt: entry.receipt }])
    held.pop()!.unsubscribe()
    snapshot.unsubscribe()
    expect(readdirSync(home).filter(name => !name.startsWith('receipts.sqlite'))).toEqual([])
    expect(book.settlement(entry.receipt!.session)?.seq).toBe(6)
  })

  it('says that there is none', async () => {
    const home = temporary()
    expect(await firstValueFrom(receiptSnapshot$(join(home, 'receipts.sqlite')))).toBeUndefined()
    expect(readdirSync(home)).toEqual([])
  })
})
