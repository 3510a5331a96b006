import { afterEach, describe, expect, it } from '@jest/globals'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { firstValueFrom, ReplaySubject, type Subscription } from 'rxjs'
import { fingerprintOf, nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import { fetchHubClient } from '../../src/adapters/hub/http-client.js'
import { receiptStore$, receiptsPath } from '../../src/adapters/store/receipts/receipt-store.node.js'
import { run } from '../../src/cli/program.js'
import type { ReceiptStore } from '../../src/ports/receipts.js'
import { ledgerLineText } from '../../src/protocol/ledger/ledger-line.js'
import { formatMetadata } from '../../src/protocol/peer/metadata.js'
import { type HostileHub, hostileHub$ } from '../support/hostile-hub.node.js'
import { type Keys, newKeys, smallLedger } from '../support/ledger.js'
import { fakeIo } from './support/fake-io.js'
import { temporaryFolders } from './support/temporary.js'

const temporary = temporaryFolders()
const held: Subscription[] = []
afterEach(() => {
  for (const subscription of held.splice(0).reverse()) subscription.unsubscribe()
})

const fakeOf = (cwd: string) => fakeIo(cwd, { parts: { hubClient: fetchHubClient } })

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

describe('ledger verify --mine', () => {
  /** A hub, and a home of whom the ledger's first session is, with what that peer would hold. The store stays open, as a running peer has it. */
  async function scene() {
    const { ledger, people } = smallLedger()
    const hub = await startHub(ledger.hub)
    hub.ledger = ledger
    const home = homeOf(hub.url, people[0])
    const store$ = new ReplaySubject<ReceiptStore>(1)
    held.push(receiptStore$(receiptsPath(home), people[0].pubKey).subscribe(store$))
    const store = await firstValueFrom(store$)
    const entry = ledger.entries[5]!
    store.keep(entry.receipt!)
    store.settle(ledger.settlement(entry))
    return { hub, ledger, people, home, store, entry }
  }
  const evidenceIn = (home: string): string[] => readdirSync(home).filter(name => name.startsWith('evidence-'))

  it('finds all as signed, beside a running peer', async () => {
    const { home } = await scene()
    const io = fakeOf(home)
    expect(await run(['ledger', 'verify', '--mine', '--home', home], io)).toBe(0)
    expect(io.out()).toContain('3 lines about you, and 1 settlement that you hold: all as signed.')
    expect(readdirSync(home).sort()).toEqual([
      'metadata.json',
      'receipts.sqlite',
      'receipts.sqlite-shm',
      'receipts.sqlite-wal',
      'receipts.sqlite.fingerprint',
      'receipts.sqlite.lock',
    ])
  })

  it.each([
    ['a missing line', 'missing', (hub: HostileHub) => void hub.ledger.entries.splice(5)],
    [
      'a line in whose place another is',
      'missing',
      (hub: HostileHub) => void (hub.ledger.entries.splice(5), hub.ledger.grant(newKeys().pubKey)),
    ],
    [
      'a changed line',
      'changed',
      (hub: HostileHub) => {
        const [{ receipt } = {}] = hub.ledger.entries.splice(5)
        hub.ledger.append({
          kind: 'transfer',
          from: receipt!.consumer,
          to: receipt!.seeder,
          bytes: 1,
          receipt: receipt!,
        })
      },
    ],
    [
      'a forged line',
      'forged',
      (hub: HostileHub) => {
        const { receipt } = hub.ledger.entries[5]!
        hub.ledger.transfer({ ...receipt!, session: 'a-session-never-had', bytes: 7 })
      },
    ],
  ])('finds %s, and writes down what proves it', async (_what, kind, cheat) => {
    const { hub, home, ledger } = await scene()
    cheat(hub)
    const io = fakeOf(home)
    expect(await run(['ledger', 'verify', '--mine', '--home', home], io)).toBe(7)
    const [name, ...others] = evidenceIn(home)
    expect(others).toEqual([])
    expect(name).toMatch(new RegExp(`^evidence-[0-9TZ.-]+-${kind}\\.json$`))
    expect(statSync(join(home, name!)).mode & 0o777).toBe(0o600)
    const evidence = JSON.parse(readFileSync(join(home, name!), 'utf8'))
    expect(evidence).toMatchObject({ version: 1, kind, hub: ledger.hub.pubKey })
    if (kind === 'forged') expect(evidence.lines).toMatchObject([{ seq: 8, from: expect.any(String) }])
    else expect(evidence.statements).toHaveLength(2)
    for (const { by, text, signature } of evidence.statements) {
      expect(nodeCrypto.verify(by, text, signature)).toBe(true)
      expect(io.err()).toContain(signature)
    }
    expect(io.err()).toContain(`${kind}: `)
    expect(io.err()).toContain(name)
  })

  it('refuses a hub with another key than the one that is remembered, and accuses nobody', async () => {
    const { home, people, hub } = await scene()
    const known = { version: 1, hub: { [hub.url]: hub.keys.pubKey }, peer: {} }
    writeFileSync(join(home, 'known_peers.json'), JSON.stringify(known), { mode: 0o600 })
    const impostor = await startHub()
    for (const { pubKey } of people) impostor.ledger.grant(pubKey)
    const io = fakeOf(home)
    expect(await run(['ledger', 'verify', '--mine', '--home', home, impostor.url], io)).toBe(7)
    expect(io.err()).toContain(
      `belongs to the hub with the key ${fingerprintOf(impostor.keys.pubKey)}, but this home knows its hub by the key ${fingerprintOf(hub.keys.pubKey)}`,
    )
    expect(io.err()).toContain('not one of 1 settlements that you hold')
    expect(evidenceIn(home)).toEqual([])
    expect(readFileSync(join(home, 'known_peers.json'), 'utf8')).toBe(JSON.stringify(known))
  })

  it('knows the hub by the newest receipt where no key is remembered', async () => {
    const { home, hub } = await scene()
    const impostor = await startHub()
    const io = fakeOf(home)
    expect(await run(['ledger', 'verify', '--mine', '--home', home, impostor.url], io)).toBe(7)
    expect(io.err()).toContain(`knows its hub by the key ${fingerprintOf(hub.keys.pubKey)}`)
  })

  it('says how many settlements are of another hub', async () => {
    const { home, hub, store, people } = await scene()
    writeFileSync(
      join(home, 'known_peers.json'),
      JSON.stringify({ version: 1, hub: { [hub.url]: hub.keys.pubKey }, peer: {} }),
      { mode: 0o600 },
    )
    const { ledger: other } = smallLedger()
    const receipt = other.receipt(people[0], people[1], 'session-elsewhere', 5)
    store.keep(receipt)
    store.settle(other.settlement(other.transfer(receipt)))
    const io = fakeOf(home)
    expect(await run(['ledger', 'verify', '--mine', '--home', home], io)).toBe(0)
    expect(io.out()).toContain('Not compared: 1 settlement signed by another hub.')
  })

  it.each([
    ['forked', 'fork', (hub: HostileHub) => void (hub.ledger.entries.splice(6), hub.ledger.grant(newKeys().pubKey))],
    ['rolled back', 'rollback', (hub: HostileHub) => void hub.ledger.entries.splice(6)],
  ])('finds by a head that is kept that the ledger was %s', async (_what, kind, cheat) => {
    const { hub, home, store, ledger } = await scene()
    store.keepHead(ledger.hub.pubKey, ledger.head(7))
    cheat(hub)
    const io = fakeOf(home)
    expect(await run(['ledger', 'verify', '--mine', '--home', home], io)).toBe(7)
    const [name] = evidenceIn(home)
    const { kind: written, statements } = JSON.parse(readFileSync(join(home, name!), 'utf8'))
    expect([written, statements.length]).toEqual([kind, 1])
    expect(nodeCrypto.verify(statements[0].by, statements[0].text, statements[0].signature)).toBe(true)
  })

  it.each<[string, RegExp, (hub: HostileHub) => unknown]>([
    ['a grant to itself', /block 8: it grants coins to the hub itself/, hub => hub.ledger.grant(hub.keys.pubKey)],
    [
      'a receipt that nobody signed',
      /block 9: its receipt is not signed by the key that pays/,
      hub => {
        const [bob, other] = [newKeys(), newKeys()]
        hub.ledger.grant(bob.pubKey)
        const { pubKey: from } = bob
        hub.ledger.transfer({
          ...hub.ledger.receipt(bob, other, 's'.repeat(16), 1),
          consumer: from,
          seeder: hub.ledger.entries[0]!.to,
          bytes: 9,
        })
      },
    ],
  ])('finds a hub that gives out coins by %s', async (_what, rule, cheat) => {
    const { hub, home } = await scene()
    cheat(hub)
    const io = fakeOf(home)
    expect(await run(['ledger', 'verify', '--mine', '--home', home], io)).toBe(7)
    expect(io.err()).toMatch(rule)
  })

  it('finds a receipt that was charged twice', async () => {
    const { hub, home, entry } = await scene()
    const { from, to, receipt } = entry
    hub.ledger.append({ kind: 'transfer', from, to, bytes: receipt!.bytes, receipt })
    const io = fakeOf(home)
    expect(await run(['ledger', 'verify', '--mine', '--home', home], io)).toBe(7)
    expect(io.err()).toContain(
      'moves 3.000000 coins in session session-of-a-and-b, and the highest receipt is for 1.500000',
    )
    expect(evidenceIn(home)).toEqual([expect.stringContaining('-forged.json')])
  })

  it('takes a file for what it is: one of yesterday ends there, one of another hub is refused', async () => {
    const { home, ledger, store } = await scene()
    store.keepHead(ledger.hub.pubKey, ledger.head(7))
    writeFileSync(join(home, 'old.ndjson'), ledger.branch(5).text())
    const old = fakeOf(home)
    expect(await run(['ledger', 'verify', '--mine', '--home', home, 'old.ndjson'], old)).toBe(0)
    expect(old.out()).toContain('Not compared: 1 settlement of blocks after its end.')
    expect(old.out()).toContain('It ends before block 7, whose head this home keeps.')
    expect(old.out()).toContain('2 lines about you, and 0 settlements that you hold: all as signed.')
    const other = smallLedger().ledger
    writeFileSync(join(home, 'other.ndjson'), other.text())
    const io = fakeOf(home)
    expect(await run(['ledger', 'verify', '--mine', '--home', home, 'other.ndjson'], io)).toBe(2)
    expect(io.err()).toContain(
      `belongs to the hub with the key ${fingerprintOf(other.hub.pubKey)}, but this home knows its hub by the key ${fingerprintOf(ledger.hub.pubKey)}`,
    )
    const nameless = ledger.branch(2)
    for (let seq = 3; seq < 8; seq += 1) nameless.grant(newKeys().pubKey)
    writeFileSync(join(home, 'nameless.ndjson'), nameless.text())
    expect(await run(['ledger', 'verify', '--mine', '--home', home, 'nameless.ndjson'], io)).toBe(2)
    expect(io.err()).toContain('does not name its hub, and does not match what you hold')
    expect(evidenceIn(home)).toEqual([])
  })

  it('remarks lines with a right signature whose receipt is not kept, as after a restore', async () => {
    const { home, hub, ledger, people } = await scene()
    hub.ledger.transfer(ledger.receipt(people[0], people[1], 'session-not-in-store', 5))
    const io = fakeOf(home)
    expect(await run(['ledger', 'verify', '--mine', '--home', home], io)).toBe(0)
    expect(io.out()).toContain('1 line with your signature for which this home has no receipt')
  })

  it('keeps a thousand findings and counts the rest', async () => {
    const { home, ledger } = await scene()
    const { receipt } = ledger.entries[5]!
    const line = ledgerLineText({ ...ledger.entries[5]!, receipt: { ...receipt!, signature: `${'A'.repeat(86)}==` } })
    writeFileSync(join(home, 'forged.ndjson'), `${line}\n`.repeat(1_500))
    const io = fakeOf(home)
    expect(await run(['ledger', 'verify', '--mine', '--home', home, 'forged.ndjson'], io)).toBe(7)
    expect(/error: .{24}/.exec(io.err())?.[0]).toBe('error: 1,500 findings about you')
    const lines = evidenceIn(home).flatMap(name => JSON.parse(readFileSync(join(home, name), 'utf8')).lines)
    expect(lines).toHaveLength(1_000)
  })
})
