import { afterEach, describe, expect, it } from '@jest/globals'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { firstValueFrom, ReplaySubject } from 'rxjs'
import { receiptStore$, receiptsPath } from '../../../src/adapters/store/receipts/receipt-store.node.js'
import { fingerprintOf } from '../../../src/adapters/crypto/crypto.node.js'
import { markerPath } from '../../../src/adapters/store/key-marker.node.js'
import { loadSqlite } from '../../../src/adapters/store/sqlite/library.node.js'
import type { ReceiptStore } from '../../../src/ports/receipts.js'
import { temporaryFolders } from '../../cli/support/temporary.js'
import { bob, key, noon, receipt, self, settlement } from '../../support/receipts.js'

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0).toReversed()) cleanup()
})
// Behind the clean-up: stores are closed before their folders go.
const folder = temporaryFolders()

async function open(
  path: string,
  { pubKey = self, ...options }: { pubKey?: string; now?: () => number; acceptNew?: boolean } = {},
): Promise<{ readonly store: ReceiptStore; readonly close: () => void }> {
  const opened$ = new ReplaySubject<ReceiptStore>(1)
  const subscription = receiptStore$(path, pubKey, options).subscribe(opened$)
  cleanups.push(() => subscription.unsubscribe())
  return { store: await firstValueFrom(opened$), close: () => subscription.unsubscribe() }
}

function startProcess(...args: readonly string[]): ChildProcessByStdio<null, Readable, null> {
  const script = fileURLToPath(new URL('./receipt-store.process.js', import.meta.url))
  const child = spawn(process.execPath, ['--expose-gc', script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  cleanups.push(() => child.kill('SIGKILL'))
  return child
}

async function alter(path: string, sql: string): Promise<void> {
  const { DatabaseSync } = await loadSqlite()
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}

const refusal = (path: string, text: RegExp) => ({
  code: 'store-failed',
  message: expect.stringMatching(new RegExp(`${path}.*${text.source}`, 's')),
})

describe('the file of a receipt store', () => {
  const modeOf = (path: string): number => statSync(path).mode & 0o777

  it("is its owner's alone, with the log beside it, even when it was not before", async () => {
    const path = receiptsPath(folder())
    writeFileSync(path, '')
    chmodSync(path, 0o644)
    const { store, close } = await open(path)
    store.serve(key('B'), 1, 0)
    expect([modeOf(path), modeOf(`${path}-wal`)]).toEqual([0o600, 0o600])
    close()
    expect(existsSync(`${path}-wal`)).toBe(false)
  })

  describe('that was there before', () => {
    const words = (path: string, state: string): object =>
      refusal(path, new RegExp(`the file is ${state}, and ".*fingerprint" says .*${fingerprintOf(self)}.*--accept-new`))

    it('is missed when it is gone or empty, again and again, until somebody says that this is right', async () => {
      const path = receiptsPath(folder())
      const first = await open(path)
      first.store.keep(receipt('sold', 900, { consumer: key('C') }))
      first.close()
      rmSync(path)
      await expect(open(path)).rejects.toMatchObject(words(path, 'missing'))
      expect(existsSync(path)).toBe(false)
      writeFileSync(path, '')
      await expect(open(path)).rejects.toMatchObject(words(path, 'empty'))
      const anew = await open(path, { acceptNew: true })
      expect(anew.store.due(10)).toEqual([])
      anew.close()
      ;(await open(path)).close()
    })

    it('is missed by whoever has the home after that', async () => {
      const path = receiptsPath(folder())
      ;(await open(path)).close()
      rmSync(path)
      await expect(open(path, { pubKey: bob })).rejects.toMatchObject(words(path, 'missing'))
      ;(await open(path, { pubKey: bob, acceptNew: true })).close()
      rmSync(path)
      await expect(open(path, { pubKey: bob })).rejects.toMatchObject(refusal(path, /missing/))
    })

    it('is noted where an earlier version left it, or files of two homes were mixed up', async () => {
      const path = receiptsPath(folder())
      ;(await open(path)).close()
      rmSync(markerPath(path))
      ;(await open(path)).close()
      expect(readFileSync(markerPath(path), 'utf8')).toContain(fingerprintOf(self))
      writeFileSync(markerPath(path), `${fingerprintOf(bob)}\n`)
      ;(await open(path)).close()
      expect(readFileSync(markerPath(path), 'utf8')).toContain(fingerprintOf(self))
    })
  })

  it('makes the home where it is missing', async () => {
    const path = receiptsPath(join(folder(), 'home'))
    await open(path)
    expect(modeOf(path)).toBe(0o600)
  })

  it('keeps everything from one run to the next', async () => {
    const path = receiptsPath(folder())
    const first = await open(path, { now: () => noon })
    first.store.keep(receipt('bought', 500, { seeder: key('B') }))
    first.store.keep(receipt('sold', 900, { consumer: key('C') }))
    first.store.settle(settlement('sold', 300))
    first.store.serve(key('C'), 1000, 0)
    first.store.keepHead(key('H'), { seq: 3, hash: 'a'.repeat(128), signature: 'head' })
    first.close()
    const { store } = await open(path)
    expect(store.due(10).map(({ bytes }) => bytes)).toEqual([900, 500])
    expect(store.settle(settlement('sold', 900, 2))?.bytes).toBe(600)
    expect(store.account(key('C'))).toMatchObject({ servedBytes: 1000, paidBytes: 900 })
    expect([store.signedFor(key('B')), store.signedSince(noon)]).toEqual([500, 500])
    expect(store.newestHead(key('H'))?.seq).toBe(3)
  })

  it('forgets after 90 days what was opened and paid nothing, and nothing else', async () => {
    const path = receiptsPath(folder())
    const dayMs = 86_400_000
    const parties = (session: string) => ({ session, seeder: self, consumer: key('C') })
    const first = await open(path, { now: () => noon })
    first.store.open(parties('empty'))
    first.store.open(parties(receipt('sold', 1).session))
    first.store.keep(receipt('sold', 1, { consumer: key('C') }))
    first.close()
    const second = await open(path, { now: () => noon + 90 * dayMs })
    expect(second.store.session('empty')).toBeDefined()
    second.close()
    const third = await open(path, { now: () => noon + 90 * dayMs + 1 })
    expect(third.store.session('empty')).toBeUndefined()
    expect(third.store.due(10)).toHaveLength(1)
  })

  it('of an earlier version loses what a hub said of sessions that were never its own', async () => {
    const path = receiptsPath(folder())
    const first = await open(path)
    first.store.keep(receipt('sold', 900, { consumer: key('C') }))
    first.store.settle(settlement('sold', 300))
    first.close()
    await alter(
      path,
      `INSERT INTO sessions (session, began_ms, settled_bytes, coins, seq, hash, hub_signature)
        VALUES ('pushed', 1, 5, '1.000000', 3, 'a', 'b');
      DROP INDEX sessions_uncompared;
      DROP INDEX sessions_unsettled;
      ALTER TABLE sessions DROP COLUMN compared;
      ALTER TABLE sessions DROP COLUMN charged_seq;
      ALTER TABLE sessions DROP COLUMN charged_bytes;
      ALTER TABLE consumers DROP COLUMN debt_since_ms;
      ALTER TABLE consumers DROP COLUMN balance;
      PRAGMA user_version = 1`,
    )
    const { store } = await open(path)
    expect([...store.settlements()].map(({ session }) => session)).toEqual([settlement('sold', 300).session])
  })

  it('is refused to a second process, also after the first opened it again, and free when that one ended', async () => {
    const path = receiptsPath(folder())
    const child = startProcess(path, 'hold')
    await once(createInterface({ input: child.stdout }), 'line')
    await expect(open(path)).rejects.toMatchObject(refusal(path, /another process/))
    child.kill('SIGKILL')
    await once(child, 'close')
    const { close } = await open(path)
    await expect(open(path)).rejects.toMatchObject(refusal(path, /another process/))
    close()
    await open(path)
  })

  it('is left as it is when it is no store', async () => {
    const path = receiptsPath(folder())
    const text = 'This is no store, and it is long enough to be seen as such by whoever reads it.'.repeat(20)
    writeFileSync(path, text)
    await expect(open(path)).rejects.toMatchObject(refusal(path, /damaged.*backup.*move it away/))
    expect(readFileSync(path, 'utf8')).toBe(text)
  })

  it('is refused when a page in its middle is damaged', async () => {
    const path = receiptsPath(folder())
    const { store, close } = await open(path)
    for (let number = 0; number < 2000; number++) store.keep(receipt(`${number}`, 5, { consumer: key('C') }))
    close()
    const { size } = statSync(path)
    const file = openSync(path, 'r+')
    writeSync(file, new Uint8Array(8192).fill(0xa5), 0, 8192, Math.floor(size / 8192) * 4096)
    closeSync(file)
    await expect(open(path)).rejects.toMatchObject(refusal(path, /damaged.*backup.*move it away/))
    expect(statSync(path).size).toBe(size)
  })

  it('is refused when a newer version made it', async () => {
    const path = receiptsPath(folder())
    ;(await open(path)).close()
    await alter(path, 'PRAGMA user_version = 99')
    await expect(open(path)).rejects.toMatchObject(refusal(path, /newer/))
  })

  it('is brought up to date when an older version made it: what was given up stays so, up to its bytes', async () => {
    const path = receiptsPath(folder())
    const first = await open(path)
    first.store.keep(receipt('one', 700, { consumer: bob }))
    first.close()
    await alter(
      path,
      `DROP INDEX sessions_unsettled;
      ALTER TABLE consumers DROP COLUMN debt_since_ms;
      ALTER TABLE consumers DROP COLUMN balance;
      UPDATE sessions SET given_up = 1;
      PRAGMA user_version = 4`,
    )
    const { store, close } = await open(path)
    expect(store.due(10)).toEqual([])
    store.keep(receipt('one', 700, { consumer: bob }))
    expect(store.due(10)).toEqual([])
    store.keep(receipt('one', 800, { consumer: bob }))
    expect(store.due(10)).toHaveLength(1)
    close()
  })

  it('lets debts of an older version begin to fade when it is brought up to date, and not in 1970', async () => {
    const path = receiptsPath(folder())
    const first = await open(path)
    first.store.serve(bob, 700, 5)
    first.close()
    await alter(
      path,
      `ALTER TABLE consumers DROP COLUMN debt_since_ms;
      ALTER TABLE consumers DROP COLUMN balance;
      PRAGMA user_version = 6`,
    )
    // SQLite counts full seconds.
    const beforeMs = Date.now() - 1_000
    const { store, close } = await open(path)
    const { debtSinceMs } = store.account(bob)
    expect(debtSinceMs).toBeGreaterThanOrEqual(beforeMs)
    expect(debtSinceMs).toBeLessThanOrEqual(Date.now())
    close()
    const again = await open(path)
    expect(again.store.account(bob)).toEqual({ servedBytes: 700, paidBytes: 0, debtSinceMs, balanceBytes: 0 })
  })

  it('is refused to another key', async () => {
    const path = receiptsPath(folder())
    ;(await open(path)).close()
    await expect(open(path, { pubKey: key('X') })).rejects.toMatchObject({
      code: 'store-failed',
      message: expect.stringContaining(
        `belongs to the key ${fingerprintOf(self)} and not to ${fingerprintOf(key('X'))}`,
      ),
    })
    await open(path)
  })

  it('is refused when it is a folder, or lies in one that others may look into', async () => {
    const home = folder()
    mkdirSync(receiptsPath(home))
    await expect(open(receiptsPath(home))).rejects.toMatchObject(refusal(receiptsPath(home), /EISDIR|directory/))
    const other = folder()
    chmodSync(other, 0o755)
    await expect(open(receiptsPath(other))).rejects.toMatchObject(refusal(receiptsPath(other), /Run: chmod 700 /))
  })

  it('says store-failed with its name when it was closed', async () => {
    const path = receiptsPath(folder())
    const { store, close } = await open(path)
    close()
    const closed = expect.objectContaining({ code: 'store-failed', message: expect.stringContaining(path) })
    expect(() => store.keep(receipt('one', 5, { seeder: key('B') }))).toThrow(closed)
    expect(() => store.account(key('B'))).toThrow(closed)
    expect(() => store.serve(key('B'), 1, 0)).toThrow(closed)
    expect(() => [...store.settlements()]).toThrow(closed)
  })

  it('keeps all or nothing of what fails in between', async () => {
    const path = receiptsPath(folder())
    ;(await open(path)).close()
    await alter(
      path,
      `CREATE TRIGGER full BEFORE INSERT ON signed_minutes BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`,
    )
    const { store } = await open(path)
    expect(() => store.keep(receipt('one', 5, { seeder: key('B') }))).toThrow(/the disk is full/)
    expect([store.due(10), store.signedFor(key('B'))]).toEqual([[], 0])
    store.keep(receipt('two', 7, { consumer: key('C') }))
    expect(store.due(10)).toHaveLength(1)
  })
})

describe('kill -9 of a peer', () => {
  it('loses nothing that was kept', async () => {
    const path = receiptsPath(folder())
    let told = 0
    for (let round = 1; round <= 6; round++) {
      const child = startProcess(path, String(told + 1))
      const until = told + 40 * round
      const ended = once(child, 'close')
      for await (const line of createInterface({ input: child.stdout })) {
        told = Number(line)
        if (told === until) child.kill('SIGKILL')
      }
      await ended
      expect(told).toBeGreaterThanOrEqual(until)
      const { store, close } = await open(path)
      expect(store.signedFor(key('B'))).toBeGreaterThanOrEqual(told * 10)
      expect(store.signedSince(0)).toBe(store.signedFor(key('B')))
      expect(store.session(receipt('bought', 1).session)?.receipt?.bytes).toBe(store.signedFor(key('B')))
      expect(store.session(receipt(`sold ${told}`, 1).session)?.receipt?.bytes).toBe(told * 10)
      const { servedBytes, paidBytes } = store.account(key('C'))
      expect(servedBytes).toBeGreaterThanOrEqual(told * 10)
      expect(paidBytes).toBeGreaterThanOrEqual(told * 7)
      expect(paidBytes).toBe([...store.settlements()].length * 7)
      close()
    }
  })
})
