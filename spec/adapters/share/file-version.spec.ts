import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { mkdtempSync, rmSync } from 'node:fs'
import { chmod, type FileHandle, link, open, rename, stat, truncate, unlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import {
  entityTag,
  FileChanged,
  type OpenFile,
  readVersion,
  settledVersion,
} from '../../../src/adapters/share/file-version.node.js'
import type { FileState } from '../../../src/protocol/http/file-version.js'

const patient = new AbortController().signal
let folder: string
let path: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lighthouse-version-'))
  path = join(folder, 'film.bin')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function openFile(): Promise<OpenFile & { readonly handle: FileHandle }> {
  const handle = await open(path, 'r')
  return { handle, stats: await handle.stat({ bigint: true }) }
}

/** Writes over a part of the file, so that it keeps its length. */
async function overwrite(position: number, text: string): Promise<void> {
  const handle = await open(path, 'r+')
  await handle.write(text, position)
  await handle.close()
}

/** What people and programs do to a file. After each, the bytes may be others. */
const changes = {
  rewrite: () => overwrite(10, `${Math.random()}`),
  append: () => writeFile(path, 'more', { flag: 'a' }),
  truncate: async () => truncate(path, Math.floor((await stat(path)).size / 2)),
  'write anew, as cp does': async () => writeFile(path, 'x'.repeat((await stat(path)).size + 1_000)),
  'rewrite and set the dates back': async () => {
    const { atime, mtime } = await stat(path)
    await overwrite(0, `${Math.random()}`)
    await utimes(path, atime, mtime)
  },
  'put another of the same length and date in its place': async () => {
    const { atime, mtime, size } = await stat(path)
    await writeFile(`${path}.new`, 'y'.repeat(size))
    await utimes(`${path}.new`, atime, mtime)
    await rename(`${path}.new`, path)
  },
}
const names = Object.keys(changes) as (keyof typeof changes)[]

describe('entityTag', () => {
  it('is another one after every change, whatever is done to size and dates', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 6 }), async history => {
        await writeFile(path, 'a film that begins')
        const seen = new Set<string>()
        for (const change of [undefined, ...history]) {
          if (change !== undefined) await changes[change]()
          const file = await openFile()
          seen.add(entityTag(await settledVersion(file, patient)))
          await file.handle.close()
        }
        expect(seen.size).toBe(history.length + 1)
      }),
      { numRuns: 12 },
    )
  })

  it('is the same as long as nothing changed', async () => {
    await writeFile(path, 'still')
    const tags = await Promise.all([openFile(), openFile()])
    expect(entityTag(tags[0].stats)).toBe(entityTag(tags[1].stats))
    expect(entityTag(tags[0].stats)).toMatch(/^"[\w-]{22}"$/)
    for (const { handle } of tags) await handle.close()
  })
})

describe('settledVersion', () => {
  /** A file whose change time is now at each of the first looks. */
  function restless(freshLooks: number): OpenFile & { looked: number } {
    const at = (ms: number): FileState => {
      const ns = BigInt(ms) * 1_000_000n + 1n
      return { ino: 1n, size: 1n, mtimeNs: ns, ctimeNs: ns }
    }
    const file = {
      looked: 1,
      stats: at(Date.now()),
      handle: {
        stat: () => {
          file.looked += 1
          return Promise.resolve(at(file.looked <= freshLooks ? Date.now() : 0))
        },
      } as unknown as FileHandle,
    }
    return file
  }

  it('waits until a file was left alone', async () => {
    const file = restless(3)
    expect(Number((await settledVersion(file, patient)).ctimeNs)).toBe(1)
    expect(file.looked).toBe(4)
  })

  it('gives up a file that is written all the time', async () => {
    const file = restless(Infinity)
    await expect(settledVersion(file, patient)).rejects.toThrow(FileChanged)
    expect(file.looked).toBe(5)
  })

  it('does not wait for nobody', async () => {
    await expect(settledVersion(restless(2), AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe('readVersion', () => {
  const size = 140_000

  async function collect(
    file: OpenFile,
    version: FileState,
    between: (chunk: number) => Promise<unknown>,
  ): Promise<Buffer | 'broken'> {
    const chunks: Uint8Array[] = []
    try {
      for await (const chunk of readVersion(file, version, { start: 0, end: Number(version.size) - 1 })) {
        chunks.push(chunk)
        await between(chunks.length)
      }
      return Buffer.concat(chunks)
    } catch (error) {
      expect(error).toBeInstanceOf(FileChanged)
      return 'broken'
    }
  }

  it('never mixes two versions, whatever is done to the file at any moment', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), fc.integer({ min: 0, max: 4 }), async (change, moment) => {
        await writeFile(path, 'a'.repeat(size))
        const file = await openFile()
        const version = await settledVersion(file, patient)
        const whole = size / 65_536
        if (moment === 0) await changes[change]()
        const got = await collect(file, version, chunk => (chunk === moment ? changes[change]() : Promise.resolve()))
        await file.handle.close()
        // After the last chunk nothing is left to be read, and nothing can be mixed.
        expect(got).toEqual(moment > whole ? Buffer.alloc(size, 'a') : 'broken')
      }),
      { numRuns: 30 },
    )
  })

  it.each([
    ['rights', () => chmod(path, 0o640)],
    ['links', () => link(path, `${path}.link`)],
    ['name', () => rename(path, `${path}.moved`)],
    ['date', () => utimes(path, 1, 1)],
    ['end', () => unlink(path)],
  ])('takes a change of its %s for one of its bytes, which it cannot be told from', async (_what, act) => {
    await writeFile(path, 'a'.repeat(size))
    const file = await openFile()
    const version = await settledVersion(file, patient)
    expect(await collect(file, version, chunk => (chunk === 1 ? act() : Promise.resolve()))).toBe('broken')
    await file.handle.close()
  })

  it('ends as broken where a file has less than it says', async () => {
    await writeFile(path, 'short')
    const file = await openFile()
    const version = await settledVersion(file, patient)
    const chunks = readVersion(file, version, { start: 0, end: 9 })
    await expect(chunks.next()).resolves.toMatchObject({ value: Buffer.from('short') })
    await expect(chunks.next()).rejects.toThrow(FileChanged)
    await file.handle.close()
  })
})
