import { afterEach, describe, expect, it } from '@jest/globals'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { firstValueFrom, ReplaySubject, type Subscription } from 'rxjs'
import { fingerprintOf } from '../../../src/adapters/crypto/crypto.node.js'
import { writeEvidence } from '../../../src/adapters/store/evidence-file.node.js'
import {
  type KeptReceipts,
  keptReceipts$,
  receiptStore$,
} from '../../../src/adapters/store/receipts/receipt-store.node.js'
import type { ReceiptStore } from '../../../src/ports/receipts.js'
import { smallLedger } from '../../support/ledger.js'

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

describe('keptReceipts$', () => {
  async function open(path: string, pubKey: string): Promise<ReceiptStore> {
    const store$ = new ReplaySubject<ReceiptStore>(1)
    held.push(receiptStore$(path, pubKey).subscribe(store$))
    return firstValueFrom(store$)
  }

  async function keep(path: string, pubKey: string) {
    const kept$ = new ReplaySubject<KeptReceipts | undefined>(1)
    held.push(keptReceipts$(path, pubKey).subscribe(kept$))
    return firstValueFrom(kept$)
  }

  it('reads a store that is open and written to, and goes on while it is', async () => {
    const home = temporary()
    const path = join(home, 'receipts.sqlite')
    const { ledger, people } = smallLedger()
    const { pubKey } = people[0]
    const store = await open(path, pubKey)
    const [first, second] = [ledger.entries[3]!, ledger.entries[5]!]
    store.keep(first.receipt!)
    store.settle(ledger.settlement(first))
    const kept = await keep(path, pubKey)
    expect([...kept!.settlements()]).toEqual([{ ...ledger.settlement(first), receipt: first.receipt }])
    store.keep(second.receipt!)
    store.settle(ledger.settlement(second))
    expect([...kept!.settlements()]).toEqual([{ ...ledger.settlement(second), receipt: second.receipt }])
    held.pop()!.unsubscribe()
    expect(readdirSync(home).filter(name => !name.startsWith('receipts.sqlite'))).toEqual([])
    await expect(open(path, pubKey)).rejects.toMatchObject({ message: expect.stringContaining('another process') })
  })

  it('reads what a peer left that was killed or stopped, and refuses another key', async () => {
    const home = temporary()
    const path = join(home, 'receipts.sqlite')
    const { ledger, people } = smallLedger()
    const { pubKey } = people[0]
    const store = await open(path, pubKey)
    store.keepHead(ledger.hub.pubKey, ledger.head(3))
    const killed = join(temporary(), 'receipts.sqlite')
    for (const end of ['', '-wal']) copyFileSync(`${path}${end}`, `${killed}${end}`)
    expect((await keep(killed, pubKey))!.newestHead(ledger.hub.pubKey)?.seq).toBe(3)
    held.splice(0, 1)[0]!.unsubscribe()
    expect((await keep(path, pubKey))!.newestHead(ledger.hub.pubKey)?.seq).toBe(3)
    await expect(keep(path, people[1].pubKey)).rejects.toMatchObject({
      code: 'store-failed',
      message: expect.stringContaining(`belongs to the key ${fingerprintOf(pubKey)}`),
    })
  })

  it('says that there is none', async () => {
    const home = temporary()
    expect(await keep(join(home, 'receipts.sqlite'), 'key')).toBeUndefined()
    expect(readdirSync(home)).toEqual([])
  })
})
