import { afterEach, describe, expect, it } from '@jest/globals'
import { chmodSync, linkSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { platform } from 'node:os'
import { join } from 'node:path'
import { Subscription } from 'rxjs'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import { folderServer$ } from '../../../src/adapters/share/data-server.node.js'
import { writeEvidence } from '../../../src/adapters/store/evidence-file.node.js'
import { commitPending, setPendingAside, writePending } from '../../../src/adapters/store/metadata-file.node.js'
import { receiptStore$, receiptsPath } from '../../../src/adapters/store/receipts/receipt-store.node.js'
import { openSiteFile } from '../../../src/adapters/store/site-file.node.js'
import { openTrustFile } from '../../../src/adapters/store/trust-file.node.js'
import { writeHubControl } from '../../../src/cli/hub-control.js'
import { writeRunFile } from '../../../src/cli/running.js'
import { createHub$ } from '../../../src/hub/app.js'
import { isKeptName } from '../../../src/protocol/peer/kept-names.js'
import { temporaryFolders } from '../../cli/support/temporary.js'
import { ask } from '../../support/http-client.node.js'
import { bob, receipt } from '../../support/receipts.js'
import { describeIf } from '../../support/requires.js'
import { hold } from '../../support/shared-folder.node.js'

const temporary = temporaryFolders()
let subscription = new Subscription()
afterEach(() => {
  subscription.unsubscribe()
  subscription = new Subscription()
})

/** Makes a home with all that a peer and a hub write there while they run; gives back the names of the files. */
async function fillHome(home: string): Promise<readonly string[]> {
  const identity = { ...nodeCrypto.generateKeyPair(), nickname: 'alice', host: 'hub.example:3000' }
  mkdirSync(home, { recursive: true, mode: 0o700 })
  chmodSync(home, 0o700)
  writePending(home, identity)
  setPendingAside(home, identity)
  writePending(home, identity)
  commitPending(home, identity)
  writePending(home, identity)
  openTrustFile(home).remember('hub', 'hub.example:3000', bob)
  openSiteFile(home).choose(bob, 'plain')
  // Of versions that followed the ledger.
  writeFileSync(join(home, 'audit.json'), '{}', { mode: 0o600 })
  writeRunFile(home, { pid: 1, url: null, controlToken: 'token', startedAt: '' })
  writeEvidence(home, { kind: 'fork', message: 'two', statements: [], lines: [], hub: 'hub.example:3000' }, 0)
  const store = await hold(receiptStore$(receiptsPath(home), identity.pubKey), subscription)
  store.keep(receipt('one', 1, { consumer: bob }))
  const database = join(home, 'hub.db')
  await hold(createHub$({ port: 0, database: `sqlite:${database}` }), subscription)
  writeHubControl(database, { url: 'http://127.0.0.1:1', controlToken: 'token' })
  const names = readdirSync(home)
  expect(names.length).toBeGreaterThanOrEqual(13)
  return names
}

async function share(path: string, home: string | undefined): Promise<number> {
  const server$ = folderServer$({ path, home, port: 0, fromPeer: () => undefined })
  return (await hold(server$, subscription)).port
}

interface Listing {
  readonly entries: readonly { readonly name: string }[]
  readonly leftOut?: Readonly<Record<string, number>>
}

async function listing(port: number, path = '/'): Promise<Listing> {
  return JSON.parse((await ask({ port, path, headers: { accept: 'application/json' } })).text) as Listing
}

const namesIn = ({ entries }: Listing): readonly string[] => entries.map(({ name }) => name)

async function statusOf(port: number, ...names: readonly string[]): Promise<number> {
  return (await ask({ port, path: `/${names.map(encodeURIComponent).join('/')}` })).status
}

async function expectNone(port: number, paths: readonly (readonly string[])[]): Promise<void> {
  for (const names of paths) expect([names, await statusOf(port, ...names)]).toEqual([names, 404])
}

describe('what a peer and a hub keep', () => {
  it('has names that are known', async () => {
    const names = await fillHome(join(temporary(), 'home'))
    expect(names.filter(name => !isKeptName(name))).toEqual([])
  })

  it.each([
    ['of the peer that shares it', true],
    ['of any other peer and hub', false],
  ])('is not served from a home in the share, %s', async (_whose, isOwn) => {
    const root = temporary()
    const home = join(root, 'media', 'home')
    const names = await fillHome(home)
    writeFileSync(join(home, 'keys.backup'), 'keys')
    writeFileSync(join(root, 'media', 'metadata.json'), '{"title":"somebody’s film"}')
    symlinkSync('media/home', join(root, 'link'))
    const port = await share(root, isOwn ? home : undefined)
    for (const way of [['media', 'home'], ['link']]) {
      await expectNone(port, [way, [...way, ''], ...[...names, 'keys.backup'].map(name => [...way, name])])
    }
    expect(await listing(port, '/media/')).toMatchObject({
      entries: [{ name: 'metadata.json' }],
      leftOut: { private: 1 },
    })
    expect(await listing(port)).toMatchObject({ entries: [{ name: 'media' }], leftOut: { link: 1 } })
    expect(await statusOf(port, 'media', 'metadata.json')).toBe(200)
  })

  it.each([
    ['of the peer that shares it', true],
    ['of any other peer and hub', false],
  ])('is not served where the share is the home, %s', async (_whose, isOwn) => {
    const root = temporary()
    const names = await fillHome(root)
    writeFileSync(join(root, 'film.mp4'), 'film')
    mkdirSync(join(root, 'data'))
    writeFileSync(join(root, 'data', 'running.json'), 'a list of marathons')
    for (const [index, name] of names.entries()) symlinkSync(name, join(root, `link ${index}`))
    const port = await share(root, isOwn ? root : undefined)
    await expectNone(
      port,
      [...names, ...names.map((_, index) => `link ${index}`)].map(name => [name]),
    )
    const { leftOut } = await listing(port)
    expect(namesIn(await listing(port))).toEqual(['data', 'film.mp4'])
    expect(leftOut).toEqual({ private: names.length, link: names.length })
    expect(await statusOf(port, 'film.mp4')).toBe(200)
    expect(await statusOf(port, 'data', 'running.json')).toBe(200)
  })

  it.each([
    ['of the peer that shares it', true],
    ['of any other peer and hub', false],
  ])('is not reached by links from a share in the home, %s', async (_whose, isOwn) => {
    const home = temporary()
    const names = await fillHome(home)
    const root = join(home, 'data')
    mkdirSync(root)
    // Made for its owner alone and linked, too, as by a program that saves space.
    writeFileSync(join(home, 'film.mp4'), 'film', { mode: 0o600 })
    linkSync(join(home, 'film.mp4'), join(root, 'film.mp4'))
    // The index of a log in memory has nothing of what it says, so it is not known by its content.
    const told = names.filter(name => isOwn || !name.endsWith('-shm'))
    for (const [index, name] of told.entries()) {
      symlinkSync(`../${name}`, join(root, `soft ${index}`))
      linkSync(join(home, name), join(root, `hard ${index}.mp4`))
    }
    const port = await share(root, isOwn ? home : undefined)
    await expectNone(
      port,
      told.flatMap((_, index) => [[`soft ${index}`], [`hard ${index}.mp4`]]),
    )
    expect(await listing(port)).toMatchObject({
      entries: [{ name: 'film.mp4' }],
      leftOut: { private: told.length, link: told.length },
    })
    expect(await statusOf(port, 'film.mp4')).toBe(200)
  })

  it('is not served from a home whose key lies elsewhere', async () => {
    const root = temporary()
    const home = join(root, 'home')
    const names = await fillHome(home)
    const elsewhere = join(temporary(), 'key')
    renameSync(join(home, 'metadata.json'), elsewhere)
    symlinkSync(elsewhere, join(home, 'metadata.json'))
    for (const name of names.filter(name => /pending|hub/.test(name))) rmSync(join(home, name))
    const port = await share(root, undefined)
    await expectNone(port, [['home'], ['home', 'running.json']])
  })

  it('follows what is replaced while it runs', async () => {
    const home = temporary()
    const root = join(home, 'data')
    mkdirSync(root)
    const port = await share(root, home)
    const { pubKey } = nodeCrypto.generateKeyPair()
    openTrustFile(home).remember('hub', 'hub.example:3000', pubKey)
    linkSync(join(home, 'known_peers.json'), join(root, 'first'))
    chmodSync(join(home, 'known_peers.json'), 0o644)
    await expectNone(port, [['first']])
    chmodSync(join(home, 'known_peers.json'), 0o600)
    openTrustFile(home).remember('hub', 'another.example:3000', pubKey)
    linkSync(join(home, 'known_peers.json'), join(root, 'second'))
    await expectNone(port, [['second']])
  })

  it.each([
    ['lies', '.fingerprint', '0123-4567-89ab-cdef-ghjk-mnpq\n'],
    ['of an earlier version lies', '.fingerprint', `SHA256:${'a'.repeat(43)}\n`],
    ['is in use', '.control', '{"url":"http://127.0.0.1:3000","controlToken":"token"}'],
  ])('is not served from any folder where a database of ours %s', async (_how, ending, text) => {
    const root = temporary()
    const names = ['films', 'films-wal', 'films-shm', 'films-journal', `films${ending}`]
    for (const name of [...names, 'films-2', 'songs']) writeFileSync(join(root, name), name, { mode: 0o600 })
    writeFileSync(join(root, `films${ending}`), text)
    writeFileSync(join(root, `songs${ending}`), 'of somebody’s own')
    const port = await share(root, undefined)
    expect(namesIn(await listing(port))).toEqual(['films-2', 'songs', `songs${ending}`])
    expect((await listing(port)).leftOut).toEqual({ private: 5 })
    await expectNone(
      port,
      names.map(name => [name]),
    )
    expect(await statusOf(port, `songs${ending}`)).toBe(200)
    chmodSync(join(root, 'films'), 0o644)
    await expectNone(port, [['films']])
  })

  it('does not hide what only has such names, nor what is no key', async () => {
    const root = temporary()
    const names = [
      'metadata.json',
      'known_peers.json',
      'hub.db',
      'hub.db-wal',
      'evidence-2026.json',
      'running.json',
      'x.control',
    ]
    for (const name of names) writeFileSync(join(root, name), '{"pub_key": "none"}', { mode: 0o600 })
    mkdirSync(join(root, 'metadata.json.pending'))
    const port = await share(root, undefined)
    expect(await listing(port)).not.toHaveProperty('leftOut')
    for (const name of names) expect(await statusOf(port, name)).toBe(200)
  })
})

describeIf(platform() !== 'win32', 'needs a case that matters')('names of what is kept', () => {
  it.each([
    'metadata.json',
    'Metadata.JSON',
    'metadata.json.pending.bob-00ff',
    'metadata.json.0a1b.tmp',
    'receipts.sqlite-wal',
  ])('%s is one', name => expect(isKeptName(name)).toBe(true))
  it.each(['my-metadata.json', 'metadata.json5', 'hub.dbx', 'receipts.sqlite3', 'evidence.json', 'running.jsonl'])(
    '%s is none',
    name => expect(isKeptName(name)).toBe(false),
  )
})
