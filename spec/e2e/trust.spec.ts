/**
 * A nickname that comes back with another key: a hub restored from a backup no longer knows bob, and somebody registers as bob.
 */
import { expect, it } from '@jest/globals'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { firstValueFrom, map } from 'rxjs'
import { fingerprintOf } from '../../src/adapters/crypto/crypto.node.js'
import { readMetadata } from '../../src/adapters/store/metadata-file.node.js'
import { keptReceipts$, receiptsPath } from '../../src/adapters/store/receipts/receipt-store.node.js'
import { cliProcesses } from '../cli/support/cli-process.js'
import { type ClusterPeer, clusters } from '../support/cluster.node.js'
import { readText } from '../support/transfer.node.js'

const start = clusters()
const cli = cliProcesses()
const asJson = { headers: { accept: 'application/problem+json' } }
const keyOf = ({ home }: ClusterPeer): string => readMetadata(home)!.pubKey

it('is refused with both fingerprints until "trust" accepts the new key', async () => {
  const cluster = await start({})
  const { folder, register, up, hub, restartHub, hubFile } = cluster
  const share = join(folder, 'shared')
  mkdirSync(share)
  writeFileSync(join(share, 'hello.txt'), 'hello')
  await register('alice')
  await hub().end('SIGTERM')
  const database = hubFile.replace('sqlite:', '')
  cpSync(database, join(folder, 'backup.db'))
  await restartHub()

  await register('bob')
  const [alice, bob] = await Promise.all([up('alice'), up('bob', { share })])
  const ask = (): ReturnType<typeof readText> => readText(`${alice.proxy}proxy/bob/hello.txt`, asJson)
  expect(await ask()).toMatchObject({ status: 200, text: 'hello' })
  const [before, old] = [(await bob.stats()).fingerprint, keyOf(bob)]
  await alice.until(({ coins }) => coins !== undefined && coins < 10_000_000_000)
  await bob.program.end('SIGTERM')
  rmSync(bob.home, { recursive: true })
  await hub().end('SIGTERM')
  for (const end of ['-wal', '-shm']) rmSync(`${database}${end}`, { force: true })
  cpSync(join(folder, 'backup.db'), database)
  const signIns = alice.signIns()
  await restartHub()
  await register('bob')
  const another = await up('bob', { share })
  const { fingerprint: now } = await another.stats()
  expect([now === before, now]).toEqual([false, fingerprintOf(keyOf(another))])
  await alice.until(({ hub: { type } }) => type === 'authenticated' && alice.signIns() > signIns)

  const refused = await ask()
  expect([refused.status, JSON.parse(refused.text)]).toEqual([
    502,
    expect.objectContaining({
      code: 'key-changed',
      detail: `the key of "bob" has changed: its fingerprint was ${before}, and is now ${now}`,
      next: expect.stringContaining('run: lighthouse-peer trust bob'),
    }),
  ])
  const get = await cli(['get', 'bob/hello.txt', '--home', alice.home], folder).ended
  expect([get.code, get.err]).toEqual([7, expect.stringContaining('run: lighthouse-peer trust bob')])
  const unasked = await cli(['trust', 'bob', '--home', alice.home], folder).ended
  expect([unasked.code, unasked.err]).toEqual([2, expect.stringContaining(`was ${before}, and is now ${now}`)])
  expect((await ask()).status).toBe(502)

  const trusted = await cli(['trust', 'bob', '--yes', '--json', '--home', alice.home], folder).ended
  expect(JSON.parse(trusted.out)).toEqual({ trusted: { nickname: 'bob', before, fingerprint: now } })
  expect(await ask()).toMatchObject({ status: 200, text: 'hello' })

  // Once more, on the files of a peer that does not run.
  await alice.program.end('SIGTERM')
  const signedFor = (key: string): Promise<number> =>
    firstValueFrom(keptReceipts$(receiptsPath(alice.home), keyOf(alice)).pipe(map(store => store!.signedFor(key))))
  const [forOld, forNew] = [await signedFor(old), await signedFor(keyOf(another))]
  expect(forOld).toBeGreaterThan(0)
  expect(forNew).toBeGreaterThan(0)
  const forgotten = await cli(['forget', 'bob', '--json', '--home', alice.home], folder).ended
  expect(JSON.parse(forgotten.out)).toEqual({ forgotten: { nickname: 'bob', fingerprint: now, site: null } })
  expect([await signedFor(old), await signedFor(keyOf(another))]).toEqual([forOld, forNew])
}, 60_000)
