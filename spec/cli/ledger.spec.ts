import { afterEach, describe, expect, it } from '@jest/globals'
import { spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { firstValueFrom, ReplaySubject, type Subscription } from 'rxjs'
import { DatabaseSync } from '@photostructure/sqlite'
import { fingerprintOf } from '../../src/adapters/crypto/crypto.node.js'
import { fetchHubClient } from '../../src/adapters/hub/http-client.js'
import { receiptStore$, receiptsPath } from '../../src/adapters/store/receipts/receipt-store.node.js'
import { run } from '../../src/cli/program.js'
import { blockHash } from '../../src/hub/adapters/store/block-hash.js'
import { sqliteStore$ } from '../../src/hub/adapters/store/sqlite-store.js'
import type { HubStore } from '../../src/hub/ports/store.js'
import type { ReceiptStore } from '../../src/ports/receipts.js'
import { formatMetadata } from '../../src/protocol/peer/metadata.js'
import { type HostileHub, hostileHub$ } from '../support/hostile-hub.node.js'
import { type Keys, namedBy, newKeys, signReceipt, smallLedger } from '../support/ledger.js'
import { fakeIo } from './support/fake-io.js'
import { temporaryFolders } from './support/temporary.js'

const temporary = temporaryFolders()
const held: Subscription[] = []
afterEach(() => {
  for (const subscription of held.splice(0).reverse()) subscription.unsubscribe()
})

const fakeOf = (cwd: string, terminal = false) => fakeIo(cwd, { parts: { hubClient: fetchHubClient }, terminal })

async function startHub(keys?: Keys): Promise<HostileHub> {
  const hub$ = new ReplaySubject<HostileHub>(1)
  held.push(hostileHub$(keys).subscribe(hub$))
  return firstValueFrom(hub$)
}

/** A home with an identity at that hub. */
function homeOf(host: string, keys: Keys): string {
  const home = temporary()
  writeFileSync(join(home, 'metadata.json'), formatMetadata({ nickname: 'alice', host, ...keys }), { mode: 0o600 })
  return home
}

/** A hub's database with three wallets and two transfers, closed after `beforeEnd`. */
async function databaseAt(path: string, beforeEnd: () => void = () => undefined): Promise<void> {
  const silent = { warn: () => undefined }
  const store$ = new ReplaySubject<HubStore>(1)
  const subscription = sqliteStore$(path, blockHash, silent).subscribe(store$)
  const store = await firstValueFrom(store$)
  const hub = await store.keyPair(newKeys)
  const [a, b, c] = [newKeys(), newKeys(), newKeys()]
  for (const [at, keys] of [a, b, c].entries()) {
    await store.register({ ...namedBy('abc'[at]!, keys), grantBytes: 1_000_000, timeMs: 1_764_000_000_000 })
  }
  for (const [session, consumer, bytes] of [
    ['session-of-a-and-b', a, 10],
    ['session-of-c-and-b', c, 20],
  ] as const) {
    const parties = { session, consumer: consumer.pubKey, seeder: b.pubKey, timeMs: 1_764_000_000_001 }
    await store.recordOffer(parties)
    await store.recordAnswer(parties)
    const receipt = { hub_key: hub.pubKey, session, seeder: b.pubKey, consumer: consumer.pubKey, bytes }
    const [result] = await store.settle([signReceipt(receipt, consumer)], 1_764_000_000_002)
    expect(result).toMatchObject({ type: 'settled', moved: true })
  }
  beforeEnd()
  subscription.unsubscribe()
}

describe('ledger verify', () => {
  it('says that a file is right, and what is in it', async () => {
    const cwd = temporary()
    const { ledger } = smallLedger()
    writeFileSync(join(cwd, 'ledger.ndjson'), ledger.text())
    const io = fakeOf(cwd)
    expect(await run(['ledger', 'verify', 'ledger.ndjson', '--json'], io)).toBe(0)
    expect(io.messages()).toEqual([
      {
        verified: {
          source: join(cwd, 'ledger.ndjson'),
          blocks: 7,
          hubKey: ledger.hub.pubKey,
          hash: expect.stringMatching(/^[0-9a-f]{128}$/),
          signatures: true,
          wallets: 3,
          sessions: 2,
          granted: '300.000000',
          largestGrant: '100.000000',
          moved: '31.500000',
          remarks: [],
        },
      },
    ])
    const human = fakeOf(cwd)
    expect(await run(['ledger', 'verify', 'ledger.ndjson', '--fast'], human)).toBe(0)
    expect(human.out()).toContain('7 blocks, every signature skipped')
    expect(human.err()).toBe('')
  })

  it('says how far a ledger goes, whose it is and how large grants are, so that what was left out can be asked for', async () => {
    const cwd = temporary()
    const { ledger } = smallLedger()
    const generous = ledger.branch(4)
    generous.grant(newKeys().pubKey, 900_000_000)
    const said = async (text: string): Promise<string> => {
      writeFileSync(join(cwd, 'ledger.ndjson'), text)
      const io = fakeOf(cwd)
      expect(await run(['ledger', 'verify', 'ledger.ndjson'], io)).toBe(0)
      return io.out()
    }
    const { hash } = generous.entries[4]!
    expect(await said(generous.text())).toContain(
      `4 wallets with 1200.000000 coins, as many as were granted, at most 900.000000 to one; 1.000000 moved in 1 session.
Hub key: ${fingerprintOf(ledger.hub.pubKey)}
Newest block: 5 of 2025-11-24T16:00:05.000Z, ${hash}
`,
    )
    expect(await said(ledger.branch(2).text())).toMatch(/^Hub key: not named in it\nNewest block: 2 of /m)
    expect(await said('')).toMatch(/^Newest block: none\nIt has no blocks\.$/m)
  })

  it('compares a ledger with the heads that this home keeps of its hub', async () => {
    const { ledger, people } = smallLedger()
    const hub = await startHub(ledger.hub)
    hub.ledger = ledger
    const home = homeOf(hub.url, people[0])
    const store$ = new ReplaySubject<ReceiptStore>(1)
    held.push(receiptStore$(receiptsPath(home), people[0].pubKey).subscribe(store$))
    const store = await firstValueFrom(store$)
    const known = { version: 1, hub: { [hub.url]: ledger.hub.pubKey }, peer: {} }
    writeFileSync(join(home, 'known_peers.json'), JSON.stringify(known), { mode: 0o600 })
    store.keepHead(ledger.hub.pubKey, ledger.head(3))
    store.keepHead(ledger.hub.pubKey, ledger.head(7))
    const verify = async (...source: string[]): Promise<string> => {
      const io = fakeOf(home)
      return `${await run(['ledger', 'verify', '--home', home, ...source], io)} ${io.out()}${io.err()}`
    }
    expect(await verify()).toMatch(/^0 The ledger[^]*It fits 2 heads that this home keeps\./)
    const other = ledger.branch(6)
    writeFileSync(join(home, 'old.ndjson'), other.text())
    expect(await verify('old.ndjson')).toMatch(/^0 The ledger[^]*It ends before block 7, whose head this home keeps\./)
    hub.ledger = ledger.branch(6)
    hub.head = () => undefined
    expect(await verify()).toMatch(
      /^7 error: the hub has rolled its ledger back: it signed block 7 as its head, and its ledger ends with block 6/,
    )
    other.grant(newKeys().pubKey)
    writeFileSync(join(home, 'other.ndjson'), other.text())
    expect(await verify('other.ndjson')).toMatch(/^7 error: the hub has forked its ledger: its block 7 is not the one/)
    expect(await verify(join(home, 'old.ndjson'), '--mine')).toMatch(/^0 /)
    writeFileSync(join(home, 'another.ndjson'), smallLedger().ledger.text())
    expect(await verify('another.ndjson')).toMatch(/^0 (?![^]*head)/)
  })

  it('says that a hub signs no head, and refuses a home whose hub has become another', async () => {
    const { ledger, people } = smallLedger()
    const hub = await startHub(ledger.hub)
    hub.ledger = ledger.branch(5)
    hub.head = () => undefined
    const io = fakeOf(temporary())
    expect(await run(['ledger', 'verify', hub.url], io)).toBe(0)
    expect(io.out()).toContain('The hub signed no head, so a missing end shows only in comparison with heads')
    const home = homeOf(hub.url, people[0])
    const known = { version: 1, hub: { [hub.url]: newKeys().pubKey }, peer: {} }
    writeFileSync(join(home, 'known_peers.json'), JSON.stringify(known), { mode: 0o600 })
    const changed = fakeOf(home)
    expect(await run(['ledger', 'verify', '--home', home], changed)).toBe(7)
    expect(changed.err()).toContain(
      `but this home knows its hub by the key ${fingerprintOf(known.hub[hub.url]!)}. Nothing was compared.`,
    )
  })

  it.each([
    ['a changed amount', (text: string) => text.replace('"bytes":5,', '"bytes":6,'), /^error: ledger block 5: /],
    [
      'a block that was left out',
      (text: string) => text.replace(/[^\n]*"seq":4,[^\n]*\n/, ''),
      /^error: ledger block 4: it must have number 4 and says 5/,
    ],
    [
      'an end that is cut off',
      (text: string) => text.slice(0, -1),
      /^error: ledger block 7: the file ends in the middle of a line/,
    ],
    [
      'an endless line',
      (text: string) => text + 'x'.repeat(20_000),
      /^error: ledger block \d: a line is longer than 16384 bytes/,
    ],
    [
      'a changed signature',
      (text: string) => text.replace(/"signature":"..../, '"signature":"AAAA'),
      /^error: ledger block 4: its receipt is not signed/,
    ],
  ])('finds %s with exit code 7', async (_what, change, message) => {
    const cwd = temporary()
    writeFileSync(join(cwd, 'ledger.ndjson'), change(smallLedger().ledger.text()))
    const io = fakeOf(cwd)
    expect(await run(['ledger', 'verify', 'ledger.ndjson'], io)).toBe(7)
    expect(io.err()).toMatch(message)
    expect(io.out()).toBe('')
  })

  it("verifies a hub's ledger by its address, up to the head that it signs", async () => {
    const { ledger } = smallLedger()
    const hub = await startHub(ledger.hub)
    hub.ledger = ledger
    const io = fakeOf(temporary())
    expect(await run(['ledger', 'verify', hub.url], io)).toBe(0)
    hub.head = () => ledger.head(7)
    hub.ledger = ledger.branch(6)
    expect(await run(['ledger', 'verify', hub.url], io)).toBe(7)
    expect(io.err()).toContain('ledger block 7: it is missing, and the hub signed block 7 as its head')
    hub.head = () => ({ ...ledger.head(7), hash: 'f'.repeat(128) })
    const json = fakeOf(temporary())
    expect(await run(['ledger', 'verify', hub.url, '--json'], json)).toBe(7)
    expect(json.messages().at(-1)).toMatchObject({
      error: { code: 'ledger-broken', message: expect.stringContaining('not signed with its key') },
    })
  })

  it('says when there is no hub, no file and nobody, each with its exit code', async () => {
    const cwd = temporary()
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    server.close()
    await once(server, 'close')
    expect(await run(['ledger', 'verify', `http://127.0.0.1:${port}`], fakeOf(cwd))).toBe(4)
    expect(await run(['ledger', 'verify', 'nowhere'], fakeOf(cwd))).toBe(2)
    expect(await run(['ledger', 'verify', '--home', cwd], fakeOf(cwd))).toBe(3)
    expect(await run(['ledger', 'verify', '--mine', '--home', cwd, 'nowhere'], fakeOf(cwd))).toBe(2)
    expect(await run(['ledger'], fakeOf(cwd))).toBe(2)
  })

  it('is not kept busy by a hub whose lines never end', async () => {
    const server = createServer((request, response) => {
      if (request.url === '/v1/health') return response.end(JSON.stringify({ hub_key: newKeys().pubKey }))
      const more = (): void => {
        while (response.write('x'.repeat(65_536)));
      }
      response.on('drain', more)
      return more()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    held.push({ unsubscribe: () => (server.close(), server.closeAllConnections()) } as Subscription)
    const io = fakeOf(temporary())
    expect(await run(['ledger', 'verify', `http://127.0.0.1:${(server.address() as { port: number }).port}`], io)).toBe(
      4,
    )
    expect(io.err()).toContain('a line of more than 16384 bytes')
  })
})

describe("ledger verify of a hub's database", () => {
  it('reads it, named or by its path, and leaves it as it is', async () => {
    const cwd = temporary()
    await databaseAt(join(cwd, 'hub.db'))
    const before = readFileSync(join(cwd, 'hub.db'))
    const io = fakeOf(cwd)
    expect(await run(['ledger', 'verify', 'sqlite:hub.db'], io)).toBe(0)
    expect(await run(['ledger', 'verify', 'hub.db'], io)).toBe(0)
    expect(io.out()).toContain('5 blocks')
    expect(readFileSync(join(cwd, 'hub.db')).equals(before)).toBe(true)
  })

  it('reads one that an older version made', async () => {
    const cwd = temporary()
    await databaseAt(join(cwd, 'hub.db'))
    const database = new DatabaseSync(join(cwd, 'hub.db'))
    database.exec(`DROP INDEX sessions_unsettled; CREATE INDEX sessions_touched ON sessions (touched); DROP TABLE probe;
      ALTER TABLE names DROP COLUMN signature; PRAGMA user_version = 2`)
    database.close()
    const io = fakeOf(cwd)
    expect(await run(['ledger', 'verify', 'hub.db'], io)).toBe(0)
    expect(io.out()).toContain('5 blocks')
  })

  it('says that a running hub has it open', async () => {
    const cwd = temporary()
    await databaseAt(join(cwd, 'hub.db'))
    const opened$ = new ReplaySubject<HubStore>(1)
    held.push(sqliteStore$(join(cwd, 'hub.db'), blockHash, { warn: () => undefined }).subscribe(opened$))
    await firstValueFrom(opened$)
    const io = fakeOf(cwd)
    expect(await run(['ledger', 'verify', 'hub.db'], io)).toBe(1)
    expect(io.err()).toContain("a running hub holds the database. Verify the ledger by the hub's address instead")
  })

  it.each([
    ['UPDATE blocks SET bytes = bytes + 1 WHERE seq = 4', /ledger block 4: /],
    ['UPDATE blocks SET payee = payer, payer = payee WHERE seq = 4', /ledger block 4: /],
    [
      'UPDATE blocks SET receipt = replace(receipt, \'"bytes":10\', \'"bytes": 10\') WHERE seq = 4',
      /ledger block 4: this line is not a block/,
    ],
    ['UPDATE blocks SET time = time + 1 WHERE seq = 2', /ledger block 2: its hash/],
    ['UPDATE blocks SET seq = 9 WHERE seq = 5', /ledger block 5: it must have number 5/],
    ['DROP TABLE blocks', /the database \S+ is damaged, or it is not a hub's: .*no such table: blocks/],
  ])('finds what %s did', async (sql, message) => {
    const cwd = temporary()
    const path = join(cwd, 'hub.db')
    await databaseAt(path)
    const database = new DatabaseSync(path)
    const triggers = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").all()
    database.exec('PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON')
    for (const { name } of triggers) database.exec(`DROP TRIGGER ${String(name)}`)
    database.exec(sql)
    database.close()
    const io = fakeOf(cwd)
    expect(await run(['ledger', 'verify', path], io)).toBe(7)
    expect(io.err()).toMatch(message)
  })

  it('finds changed bytes in the blocks of the file itself', async () => {
    const cwd = temporary()
    await databaseAt(join(cwd, 'hub.db'))
    const whole = readFileSync(join(cwd, 'hub.db'))
    const hashes = [...whole.toString('latin1').matchAll(/[0-9a-f]{256}|[0-9a-f]{128}/g)].map(({ index }) => index)
    expect(hashes.length).toBeGreaterThanOrEqual(5)
    for (const [number, at] of hashes.entries()) {
      const changed = Buffer.from(whole)
      changed[at + number] = changed[at + number]! ^ 1
      writeFileSync(join(cwd, 'changed.db'), changed)
      const io = fakeOf(cwd)
      expect(await run(['ledger', 'verify', 'sqlite:changed.db', '--fast'], io)).toBe(7)
      expect(io.err()).toMatch(/ledger block [1-5]: /)
    }
  })

  it('finds damage of the file itself', async () => {
    const cwd = temporary()
    await databaseAt(join(cwd, 'hub.db'))
    const whole = readFileSync(join(cwd, 'hub.db'))
    const pageBytes = whole.readUInt16BE(16)
    // What kind of page it is, of each but the first, which has the schema.
    for (let at = pageBytes; at < whole.length; at += pageBytes) {
      const changed = Buffer.from(whole)
      changed[at] = 0xff
      writeFileSync(join(cwd, 'changed.db'), changed)
      const io = fakeOf(cwd)
      expect([at, await run(['ledger', 'verify', 'sqlite:changed.db'], io)]).toEqual([at, 7])
      expect(io.err()).toMatch(/the database \S+ is damaged/)
    }
  })
})

it('a database whose hub was killed is read with its log', async () => {
  const cwd = temporary()
  await databaseAt(join(cwd, 'hub.db'), () => {
    copyFileSync(join(cwd, 'hub.db'), join(cwd, 'killed.db'))
    copyFileSync(join(cwd, 'hub.db-wal'), join(cwd, 'killed.db-wal'))
  })
  const io = fakeOf(cwd)
  expect(await run(['ledger', 'verify', 'sqlite:killed.db'], io)).toBe(0)
  expect(io.out()).toContain('is right: 5 blocks')
})

describe('ledger export', () => {
  it('writes what can be verified, to stdout or to a new file', async () => {
    const cwd = temporary()
    await databaseAt(join(cwd, 'hub.db'))
    const io = fakeOf(cwd)
    expect(await run(['ledger', 'export', 'hub.db', '-o', 'ledger.ndjson'], io)).toBe(0)
    expect(await run(['ledger', 'verify', 'ledger.ndjson'], io)).toBe(0)
    const out = fakeOf(cwd)
    expect(await run(['ledger', 'export', 'hub.db'], out)).toBe(0)
    expect(out.out()).toBe(readFileSync(join(cwd, 'ledger.ndjson'), 'utf8'))
    expect(await run(['ledger', 'export', 'hub.db', '-o', 'ledger.ndjson'], io)).toBe(1)
  })

  it('writes nothing over what is there, and copies what is wrong as it is', async () => {
    const cwd = temporary()
    const text = smallLedger().ledger.text().replace('"bytes":5,', '"bytes":6,')
    writeFileSync(join(cwd, 'broken.ndjson'), text)
    const io = fakeOf(cwd)
    expect(await run(['ledger', 'export', 'broken.ndjson'], io)).toBe(0)
    expect(io.out()).toBe(text)
  })

  it('fails where a hub stops before the head that it signed, and keeps what came', async () => {
    const { ledger } = smallLedger()
    const hub = await startHub(ledger.hub)
    hub.ledger = ledger.branch(4)
    hub.head = () => ledger.head(7)
    const io = fakeOf(temporary())
    expect(await run(['ledger', 'export', hub.url], io)).toBe(7)
    expect(io.out()).toBe(hub.ledger.text())
    expect(io.err()).toContain('the ledger ends with block 4, but the hub signed block 7 as its head')
  })

  it('fails where the disk takes a part of it', () => {
    const cwd = temporary()
    writeFileSync(join(cwd, 'ledger.ndjson'), smallLedger().ledger.text())
    const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
    // At most 1 KiB a file, as a full disk: what is written up to there is written, and no signal ends the process.
    const script = `trap '' XFSZ; ulimit -f 1; exec "$0" "$@"`
    const args = ['ledger', 'export', 'ledger.ndjson', '-o', 'copy.ndjson']
    const { status, stderr } = spawnSync('bash', ['-c', script, process.execPath, main, ...args], {
      cwd,
      encoding: 'utf8',
    })
    expect(stderr).toContain('the ledger cannot be written')
    expect(status).toBe(1)
  })
})
