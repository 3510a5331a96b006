/** A hub misses the database that it had: lost, emptied, or that of another hub. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { firstValueFrom } from 'rxjs'
import { fingerprintOf } from '../../src/adapters/crypto/crypto.node.js'
import { createHub$, createInvites$, type Hub, type HubOptions } from '../../src/hub/app.js'
import { describeIf } from '../support/requires.js'
import { POSTGRES_REASON, postgresAvailable, startPostgres } from '../support/postgres.node.js'
import { register, startHub, temporaryFolder } from './support.js'

/** Starts a hub, stops it again, and tells whose it is. */
async function runOnce(options: HubOptions): Promise<string> {
  const { subscription, hubKey } = await startHub(options)
  subscription.unsubscribe()
  return fingerprintOf(hubKey)
}

/** A database of this schema in which no hub ever was. */
let blank = ''

const start = (options: HubOptions): Promise<Hub> => firstValueFrom(createHub$({ port: 0, ...options }))

function scene() {
  const folder = temporaryFolder()
  const path = join(folder, 'hub.db')
  const marker = `${path}.fingerprint`
  return { folder, path, marker, options: { database: `sqlite:${path}` } }
}

describe('a hub on SQLite', () => {
  it('starts without a marker, notes its key beside the database, and starts again', async () => {
    const { marker, options } = scene()
    const known = await runOnce(options)
    expect(readFileSync(marker, 'utf8').split('\n')[0]).toBe(known)
    expect(await runOnce(options)).toBe(known)
    // As a database of a version that noted nothing.
    rmSync(marker)
    expect(await runOnce(options)).toBe(known)
    expect(readFileSync(marker, 'utf8')).toContain(known)
  })

  it.each([
    ['is missing', (path: string) => rmSync(path)],
    ['is empty', (path: string) => truncateSync(path)],
    ['holds no hub', (path: string) => copyFileSync(blank, path)],
  ])('says so when its database %s, and begins anew when told to', async (state, lose) => {
    const { path, marker, options } = scene()
    blank = join(temporaryFolder(), 'blank.db')
    await firstValueFrom(createInvites$({ database: `sqlite:${blank}` }))
    const known = await runOnce(options)
    lose(path)
    const before = existsSync(path)
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await expect(start(options)).rejects.toMatchObject({
        code: 'store-failed',
        message: `"${path}" ${state}, and "${marker}" says that the hub with the key ${known} was there. Restore it from a backup; or start with --accept-new, for a new hub at which every peer has to register again`,
      })
      // Nothing is in the way of what is restored.
      expect(existsSync(path)).toBe(before)
    }
    const other = await runOnce({ ...options, acceptNew: true })
    expect(other).not.toBe(known)
    expect(await runOnce(options)).toBe(other)
  })

  it('refuses the backup of another hub, and takes it when told that it is right', async () => {
    const [one, other] = [scene(), scene()]
    const [mine, theirs] = [await runOnce(one.options), await runOnce(other.options)]
    copyFileSync(other.path, one.path)
    const refusal = { code: 'store-failed', message: expect.stringContaining(`holds the hub with the key ${theirs}`) }
    await expect(start(one.options)).rejects.toMatchObject(refusal)
    expect(readFileSync(one.marker, 'utf8')).toContain(mine)
    expect(await runOnce({ ...one.options, acceptNew: true })).toBe(theirs)
    expect(await runOnce(one.options)).toBe(theirs)
  })

  it('knows the marker of an earlier version, and writes it anew', async () => {
    const { marker, options } = scene()
    const known = await runOnce(options)
    const hub = await startHub(options)
    const digest = createHash('sha256').update(Buffer.from(hub.hubKey, 'base64')).digest('base64').replace('=', '')
    hub.subscription.unsubscribe()
    writeFileSync(marker, `SHA256:${digest}\nThe key of the database beside this file.\n`)
    expect(await runOnce(options)).toBe(known)
    expect(readFileSync(marker, 'utf8')).toMatch(new RegExp(`^${known}\n`))
    writeFileSync(marker, `SHA256:${digest.toLowerCase()}\n`)
    await expect(start(options)).rejects.toMatchObject({ code: 'store-failed' })
  })

  it('goes on under another name, with its marker or without', async () => {
    const { folder, path, marker, options } = scene()
    const known = await runOnce(options)
    const renamed = join(folder, 'renamed.db')
    renameSync(path, renamed)
    expect(await runOnce({ database: `sqlite:${renamed}` })).toBe(known)
    // The old name is missed.
    await expect(start(options)).rejects.toMatchObject({ code: 'store-failed' })
    renameSync(renamed, path)
    renameSync(`${renamed}.fingerprint`, marker)
    expect(await runOnce(options)).toBe(known)
  })

  it('works where the marker cannot be written, and says so in the log', async () => {
    const { folder, options } = scene()
    const warnings: string[] = []
    const logger = {
      info: () => undefined,
      error: () => undefined,
      warn: (_: object, text: string) => warnings.push(text),
    }
    symlinkSync(join(folder, 'nowhere'), join(folder, 'link'))
    const hub = await startHub({ ...options, logger, keyMarker: join(folder, 'link', 'marker') })
    await register(hub, 'alice')
    expect(warnings).toEqual([expect.stringContaining('could not be noted')])
  })

  it.each([
    ['says nothing', (marker: string) => writeFileSync(marker, '0123-4567'), 'Remove it if'],
    ['is a folder', (marker: string) => (rmSync(marker), mkdirSync(marker)), 'EISDIR'],
  ])('does not start on a guess when the marker %s', async (_what, spoil, words) => {
    const { marker, options } = scene()
    const known = await runOnce(options)
    spoil(marker)
    await expect(start(options)).rejects.toMatchObject({
      code: 'store-failed',
      message: expect.stringContaining(words),
    })
    rmSync(marker, { recursive: true })
    expect(await runOnce(options)).toBe(known)
  })

  it('replaces a marker that is write-protected when told to', async () => {
    const { path, marker, options } = scene()
    await runOnce(options)
    chmodSync(marker, 0o400)
    rmSync(path)
    const known = await runOnce({ ...options, acceptNew: true })
    expect(await runOnce(options)).toBe(known)
  })

  it('makes no invites in the place of a database that is lost', async () => {
    const { path, options } = scene()
    await runOnce(options)
    rmSync(path)
    await expect(firstValueFrom(createInvites$(options))).rejects.toMatchObject({ code: 'store-failed' })
    expect(existsSync(path)).toBe(false)
  })
})

describeIf(postgresAvailable(), POSTGRES_REASON)('a hub on PostgreSQL', () => {
  it('misses a database that was emptied, and one that was restored from another hub', async () => {
    const cluster = await startPostgres()
    try {
      const [database, other] = [await cluster.createDatabase(), await cluster.createDatabase()]
      const keyMarker = join(temporaryFolder(), 'new', 'marker')
      const known = await runOnce({ database, keyMarker })
      expect(await runOnce({ database, keyMarker })).toBe(known)
      // As another machine of the same hub, at its first start.
      expect(await runOnce({ database, keyMarker: join(temporaryFolder(), 'marker') })).toBe(known)
      await expect(start({ database: other, keyMarker })).rejects.toMatchObject({
        code: 'store-failed',
        message: expect.stringContaining(
          `The database holds no hub, and "${keyMarker}" says that the hub with the key ${known}`,
        ),
      })
      const theirs = await runOnce({ database: other })
      await expect(start({ database: other, keyMarker })).rejects.toMatchObject({
        message: expect.stringContaining(`holds the hub with the key ${theirs}`),
      })
      expect(await runOnce({ database: other, keyMarker, acceptNew: true })).toBe(theirs)
      expect(await runOnce({ database: other, keyMarker })).toBe(theirs)
    } finally {
      await cluster.remove()
    }
  })
})
