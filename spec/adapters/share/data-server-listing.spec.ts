import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { existsSync } from 'node:fs'
import { mkdir, rename, symlink, utimes, writeFile } from 'node:fs/promises'
import { platform } from 'node:os'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { compareEntries, pageEntries } from '../../../src/adapters/share/folder-listing.node.js'
import { type Answer, ask } from '../../support/http-client.node.js'
import { describeIf } from '../../support/requires.js'
import { type SharedFolder, shareFolder } from '../../support/shared-folder.node.js'

const hostile = [
  '<img src=x onerror=alert(1)>.txt',
  `"quoted" & 'quoted'.txt`,
  'javascript:alert(1)',
  '100% #1? a+b.txt',
  'line\nbreak\u001b[31m.txt',
  'back\\slash\\.txt',
  'caf\u00e9.txt',
  'cafe\u0301.txt',
  '🎬 fin.txt',
  '\u202egnp.exe',
  '&amp;.txt',
  '%2e%2e%2f',
  ' space ',
  '</table>',
]
let share: SharedFolder

beforeAll(async () => {
  share = await shareFolder(async (root, outside) => {
    await mkdir(join(root, 'names'))
    for (const name of hostile.filter(name => !name.includes('/'))) await writeFile(join(root, 'names', name), name)
    await mkdir(join(root, 'films'))
    await mkdir(join(root, 'films', 'série 1'))
    await mkdir(join(root, 'films', 'Extras'))
    for (const name of ['part 10.mp4', 'Part 2.mp4', 'part 1.mp4', '.hidden'])
      await writeFile(join(root, 'films', name), 'x')
    await writeFile(join(root, 'films', 'part 1.mp4'), Buffer.alloc(1_536_000))
    await utimes(join(root, 'films', 'part 1.mp4'), 1_700_000_000, 1_700_000_000)
    await writeFile(join(outside, 'secret.txt'), 'secret')
    await symlink(join(outside, 'secret.txt'), join(root, 'films', 'out.txt'))
    await symlink(join(root, 'gone'), join(root, 'films', 'dangling'))
    await symlink('part 1.mp4', join(root, 'films', 'zz link.mp4'))
    await mkdir(join(root, 'empty'))
    await mkdir(join(root, 'many'))
    for (let index = 0; index < 2_300; index++) await writeFile(join(root, 'many', `${index}.txt`), '')
  })
})
afterAll(() => share.stop())

interface Listing {
  readonly path: string
  readonly entries: readonly {
    readonly name: string
    readonly type: string
    readonly size?: number
    readonly coins?: string
    readonly modified: string
  }[]
  readonly next?: string
}

function page(path: string): Promise<Answer> {
  return ask({ port: share.port, path, headers: { accept: 'text/html,*/*;q=0.8' } })
}

async function listing(path: string): Promise<Listing> {
  const { headers, text } = await ask({ port: share.port, path, headers: { accept: 'application/json' } })
  expect(headers['content-type']).toBe('application/json')
  expect(headers.vary).toBe('Accept, Accept-Encoding')
  return JSON.parse(text) as Listing
}

function linksOf(text: string): readonly string[] {
  const unescape = (value: string): string =>
    value
      .replace(/&quot;/g, '"')
      .replace(/&#39;/g, "'")
      .replace(/&lt;/g, '<')
      .replace(/&gt;/g, '>')
      .replace(/&amp;/g, '&')
  return [...text.matchAll(/href="([^"]*)"/g)].map(match => unescape(match[1]!))
}

describe('a listing', () => {
  it('for programs: folders first, numbers by value, with sizes and prices; nothing that is not served', async () => {
    const { path, entries, next } = await listing('/films/')
    expect(path).toBe('/films/')
    expect(next).toBeUndefined()
    expect(entries.map(({ name, type }) => [name, type])).toEqual([
      ['Extras', 'directory'],
      ['série 1', 'directory'],
      ['part 1.mp4', 'file'],
      ['Part 2.mp4', 'file'],
      ['part 10.mp4', 'file'],
      ['zz link.mp4', 'file'],
    ])
    expect(entries[2]).toEqual({
      name: 'part 1.mp4',
      type: 'file',
      size: 1_536_000,
      coins: '1.536000',
      modified: '2023-11-14T22:13:20.000Z',
    })
    expect(entries[0]).not.toHaveProperty('size')
    expect(entries[5]).toMatchObject({ size: 1_536_000 })
  })

  it('for people: sizes, prices and dates, links that hold below any prefix, no script', async () => {
    const { headers, text } = await page('/films/')
    expect(headers['content-type']).toBe('text/html; charset=utf-8')
    expect(text).toContain('>1.5 MB<')
    expect(text).toContain('>1.536000<')
    expect(text).toContain('>2023-11-14<')
    expect(text).not.toContain('<script')
    expect(linksOf(text)).toEqual([
      '../',
      './',
      './Extras/',
      './s%C3%A9rie%201/',
      './part%201.mp4',
      './Part%202.mp4',
      './part%2010.mp4',
      './zz%20link.mp4',
    ])
    expect((await page('/empty/')).text).toContain('Nothing here.')
  })

  it('has the same head for HEAD', async () => {
    const head = await ask({ port: share.port, path: '/films/', method: 'HEAD' })
    const whole = await ask({ port: share.port, path: '/films/' })
    expect(head.body).toHaveLength(0)
    expect({ ...head.headers, date: '' }).toEqual({ ...whole.headers, date: '' })
  })

  it('survives hostile names: escaped, and every link leads to its file', async () => {
    const { text } = await page('/names/')
    expect(text).not.toMatch(/<img|<\/table>.*<\/table>|\u001b/s)
    const files = linksOf(text).filter(href => href !== '../' && href !== './')
    const served = hostile.filter(name => !name.includes('/'))
    expect(files).toHaveLength(served.length)
    const base = `http://127.0.0.1:${share.port}/names/`
    const bodies = await Promise.all(
      files.map(async href => {
        const url = new URL(href, base)
        expect(url.href.startsWith(base)).toBe(true)
        return (await ask({ port: share.port, path: url.pathname })).text
      }),
    )
    expect(bodies.toSorted()).toEqual(served.toSorted())
  })

  it('of a large folder comes in pages that neither repeat nor skip', async () => {
    const seen: string[] = []
    let path: string | undefined = '/many/'
    const sizes: number[] = []
    while (path !== undefined) {
      const { entries, next }: Listing = await listing(path)
      seen.push(...entries.map(({ name }) => name))
      sizes.push(entries.length)
      path =
        next === undefined ? undefined : new URL(next, `http://localhost/many/`).href.slice('http://localhost'.length)
    }
    expect(sizes).toEqual([pageEntries, pageEntries, 300])
    expect(seen).toEqual(Array.from({ length: 2_300 }, (_, index) => `${index}.txt`))
    expect((await page('/many/')).text).toContain('href="./?after=f999.txt"')
  })

  it.each(['?after=', '?after=x', '?after=%ff', '?after=f', '?other', '?after=q%00'])(
    'starts over at %s',
    async query => {
      expect((await listing(`/films/${query}`)).entries).toHaveLength(6)
    },
  )
})

describe('a listing that is asked for again', () => {
  const types = ['text/html', 'application/json']
  const plain = (accept: string, path = '/many/'): Promise<Answer> =>
    ask({ port: share.port, path, headers: { accept } })
  const coded = (accept: string, coding: string, more: Record<string, string> = {}): Promise<Answer> =>
    ask({ port: share.port, path: '/many/', headers: { accept, 'accept-encoding': coding, ...more } })
  const decoders = { br: brotliDecompressSync, gzip: gunzipSync }

  it.each(types)('is small on the way as %s, and the same', async type => {
    const whole = await plain(type)
    expect(whole.headers).not.toHaveProperty('content-encoding')
    for (const [coding, decode] of Object.entries(decoders)) {
      const { headers, body } = await coded(type, coding)
      expect(headers).toMatchObject({
        'content-encoding': coding,
        'content-length': String(body.length),
        'content-type': whole.headers['content-type'],
        etag: whole.headers.etag,
        vary: 'Accept, Accept-Encoding',
      })
      expect(decode(body).equals(whole.body)).toBe(true)
      expect(body.length * 8).toBeLessThan(whole.body.length)
      const head = await ask({
        port: share.port,
        path: '/many/',
        method: 'HEAD',
        headers: { accept: type, 'accept-encoding': coding },
      })
      expect({ ...head.headers, date: '' }).toEqual({ ...headers, date: '' })
      expect(head.body).toHaveLength(0)
    }
    expect((await coded(type, 'gzip;q=0.5, br;q=0.4')).headers['content-encoding']).toBe('gzip')
    expect((await coded(type, 'deflate')).headers).not.toHaveProperty('content-encoding')
  })

  it('is sent as it is where a coding saves nothing', async () => {
    const { headers } = await ask({
      port: share.port,
      path: '/empty/',
      headers: { accept: 'application/json', 'accept-encoding': 'br' },
    })
    expect(headers).not.toHaveProperty('content-encoding')
  })

  it.each(types)('is not sent again as %s while nothing has changed, in whatever coding it was', async type => {
    const { etag, 'content-security-policy': policy } = (await coded(type, 'br')).headers
    expect(etag).toMatch(/^W\/"[\w-]{22}"$/)
    for (const coding of ['br', 'gzip', 'identity']) {
      const again = await coded(type, coding, { 'if-none-match': `"other", ${etag}` })
      expect(again).toMatchObject({ status: 304, text: '' })
      expect(again.headers).toMatchObject({
        etag,
        vary: 'Accept, Accept-Encoding',
        'cache-control': 'private, no-cache',
      })
      expect(again.headers['content-security-policy']).toBe(policy)
    }
    const other = types.find(each => each !== type)!
    expect(await coded(other, 'br', { 'if-none-match': etag! })).toMatchObject({ status: 200 })
    expect(await coded(type, 'br', { 'if-match': etag! })).toMatchObject({ status: 412 })
    expect(await coded(type, 'br', { 'if-match': '*' })).toMatchObject({ status: 200 })
  })

  it('has another tag once anything in it has changed', async () => {
    const folder = join(share.root, 'changing')
    await mkdir(folder)
    const seen: (string | undefined)[] = []
    const note = async (): Promise<unknown> => seen.push((await plain('application/json', '/changing/')).headers.etag)
    await note()
    await writeFile(join(folder, 'a'), 'x')
    await note()
    await writeFile(join(folder, 'a'), 'longer')
    await note()
    await utimes(join(folder, 'a'), 1, 1)
    await note()
    await writeFile(join(folder, '.hidden'), '')
    await note()
    await rename(join(folder, 'a'), join(folder, 'b'))
    await note()
    expect(new Set(seen).size).toBe(6)
    await note()
    expect(seen.at(-1)).toBe(seen.at(-2))
  })
})

/** A file system in memory, which keeps any date and any size. */
const memory = platform() === 'linux' && existsSync('/dev/shm') ? '/dev/shm' : undefined

describeIf(memory, 'needs a file system that keeps any date')('dates and sizes that nothing else can express', () => {
  it('are left out of the listing, and break neither it nor the file', async () => {
    const dates = {
      past: new Date('1901-01-01'),
      old: new Date(-1000),
      future: new Date('2400-01-01'),
      far: 9e12,
      'far past': new Date(-8.6e15),
    }
    const odd = await shareFolder(async root => {
      await mkdir(join(root, 'folder'))
      await utimes(join(root, 'folder'), 9e12, 9e12)
      await writeFile(join(root, 'good'), 'good')
      for (const [name, date] of Object.entries(dates)) {
        await writeFile(join(root, name), name)
        await utimes(join(root, name), date, date)
      }
    }, memory)
    const { text } = await ask({ port: odd.port, headers: { accept: 'application/json' } })
    const entries = (JSON.parse(text) as Listing).entries.map(({ name, modified }) => [name, modified])
    expect(Object.fromEntries(entries)).toEqual({
      folder: undefined,
      far: undefined,
      'far past': undefined,
      future: '2400-01-01T00:00:00.000Z',
      good: expect.stringMatching(/Z$/),
      old: '1969-12-31T23:59:59.000Z',
      past: '1901-01-01T00:00:00.000Z',
    })
    expect((await ask({ port: odd.port, headers: { accept: 'text/html' } })).text).toContain('>1969-12-31<')
    for (const name of Object.keys(dates)) {
      const { text: content, headers } = await ask({ port: odd.port, path: `/${encodeURIComponent(name)}` })
      expect(content).toBe(name)
      expect(Date.parse(headers['last-modified'] ?? headers.date!)).toBeLessThanOrEqual(Date.parse(headers.date!))
    }
    odd.stop()
  })
})

describe('a folder without its slash', () => {
  it.each([
    ['/films', './films/'],
    ['/films?after=fx&y=%20', './films/?after=fx&y=%20'],
    ['/films/s%C3%A9rie%201', './s%C3%A9rie%201/'],
  ])('%s leads to %s', async (path, location) => {
    const { status, headers } = await page(path)
    expect(status).toBe(302)
    expect(headers).toMatchObject({ location, 'cache-control': 'no-store' })
    const target = new URL(location, `http://localhost${path}`)
    expect((await page(target.pathname + target.search)).status).toBe(200)
  })

  it('has the same listing behind several slashes, from the same place on', async () => {
    const once = await listing('/many/?after=f9.txt')
    expect(await listing('//many//?after=f9.txt')).toEqual(once)
    expect(await listing('//?after=d')).toMatchObject({ path: '/' })
    expect((await page('/films//Extras')).headers).toMatchObject({ location: './Extras/' })
  })

  it('is not confused with a file', async () => {
    expect((await page('/films/part%201.mp4/')).status).toBe(404)
  })
})

describe('compareEntries', () => {
  it('is a total order, also of names that differ by case or accent only', () => {
    const names = ['a', 'A', 'á', 'a\u0301', 'b', '10', '9', '010', '']
    for (const a of names) {
      for (const b of names) {
        const order = Math.sign(compareEntries({ name: a, kind: 'file' }, { name: b, kind: 'file' }))
        const back = Math.sign(compareEntries({ name: b, kind: 'file' }, { name: a, kind: 'file' }))
        expect(order).toBe(back === 0 ? 0 : -back)
        expect(order === 0).toBe(a === b)
      }
    }
  })
})
