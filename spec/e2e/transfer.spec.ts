/**
 * The main job: files go from one peer's folder to another's client, byte for byte, over real WebRTC between processes.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from '@jest/globals'
import { type ClusterPeer, clusters } from '../support/cluster.node.js'
import { describeIf, findProgram } from '../support/requires.js'
import { sized } from '../support/sized.js'
import { download, open, readText, writePattern } from '../support/transfer.node.js'

const sizes = [0, 1, 4_095, 4_096, 4_097, 65_536, 10_000_000, sized(64_000_000, 1_000_000_000)]
const names = [
  'Ünïcödé Straße.txt',
  '映画 🎬.txt',
  '100% real.txt',
  'a%2Fb.txt',
  "it's #1 & more?.txt",
  '日本/ファイル.txt',
]

const startCluster = clusters()
const digests = new Map<number, string>()
let alice: ClusterPeer
let folder: string

const pathOf = (name: string): string => name.split('/').map(encodeURIComponent).join('/')
const at = (name: string): string => `${alice.proxy}proxy/bob/${name}`

beforeAll(async () => {
  const cluster = await startCluster({ alice: {} })
  folder = join(cluster.folder, 'share')
  mkdirSync(join(folder, '日本'), { recursive: true })
  for (const size of sizes) digests.set(size, writePattern(join(folder, `${size}.bin`), size))
  for (const name of names) writeFileSync(join(folder, name), `this is ${name}`)
  await cluster.register('bob')
  await cluster.up('bob', { share: folder })
  alice = cluster.peers.alice!
})

describe('a folder through a tunnel', () => {
  it.each(sizes)('delivers %i bytes as they are', async size => {
    const { status, headers, bytes, sha256 } = await download(at(`${size}.bin`))
    expect({ status, bytes, sha256 }).toEqual({ status: 200, bytes: size, sha256: digests.get(size) })
    expect(headers['content-length']).toBe(String(size))
  })

  it('delivers ten files at once, each as it is', async () => {
    const wanted = [10_000_000, 65_536, 10_000_000, 0, 10_000_000, 4_097, 10_000_000, 1, 10_000_000, 10_000_000]
    const got = await Promise.all(wanted.map(size => download(at(`${size}.bin`))))
    expect(got.map(({ sha256 }) => sha256)).toEqual(wanted.map(size => digests.get(size)))
    // All of them on one connection, through one tunnel.
    expect(new Set(got.map(({ url }) => new URL(url).port)).size).toBe(1)
    expect((await alice.stats()).connections).toHaveLength(1)
  })

  it.each(['/proxy', '/inline'])('sends what a range asks for, under %s', async mount => {
    const url = `${alice.proxy.slice(0, -1)}${mount}/bob/10000000.bin`
    const { status, headers, message } = await open(url, { headers: { range: 'bytes=9999990-' } })
    const tail = Buffer.concat(await message.toArray())
    expect([status, headers['content-range']]).toEqual([206, 'bytes 9999990-9999999/10000000'])
    const middle = await open(url, { headers: { range: 'bytes=4096-8191' } })
    const bytes = Buffer.concat(await middle.message.toArray())
    const whole = Buffer.concat(await (await open(url)).message.toArray())
    expect(tail.equals(whole.subarray(9_999_990))).toBe(true)
    expect(bytes.equals(whole.subarray(4096, 8192))).toBe(true)
    expect((await download(url, { headers: { range: 'bytes=10000000-' } })).status).toBe(416)
  })

  it.each(names)('finds %s', async name => {
    expect(await readText(at(pathOf(name)))).toMatchObject({ status: 200, text: `this is ${name}` })
    expect(await readText(`${alice.proxy}inline/bob/${pathOf(name)}`)).toMatchObject({ text: `this is ${name}` })
  })

  it('lists what is there', async () => {
    const { text } = await readText(at(''), { headers: { accept: 'application/json' } })
    const { entries } = JSON.parse(text) as { readonly entries: readonly { readonly name: string }[] }
    const expected = [...sizes.map(size => `${size}.bin`), ...names.map(name => name.split('/')[0])]
    expect(entries.map(({ name }) => name).toSorted()).toEqual(expected.toSorted())
  })

  it('answers HEAD without a body, after a redirect', async () => {
    const redirect = await open(at('65536.bin?x=1'), { method: 'HEAD', follow: false })
    expect([redirect.status, redirect.headers.location]).toEqual([302, expect.stringMatching(/\/65536\.bin\?x=1$/)])
    const { status, headers, bytes } = await download(at('65536.bin'), { method: 'HEAD' })
    expect([status, headers['content-length'], bytes]).toEqual([200, '65536', 0])
  })

  it('says in the far folder what is missing there, and that it is read-only', async () => {
    expect((await readText(at('nothing.bin'))).status).toBe(404)
    expect((await readText(at('..%2f..%2fetc/passwd'))).status).toBe(404)
    expect((await open(at('1.bin'), { method: 'POST', follow: false })).status).toBe(307)
    expect((await readText(at('1.bin'), { method: 'POST' })).status).toBe(405)
  })
})

describeIf(findProgram(['curl']), 'needs curl')('curl', () => {
  it('follows to the tunnel and gets the file', async () => {
    const run = promisify(execFile)
    const { stdout } = await run('curl', ['--silent', '--fail', '--location', at('10000000.bin')], {
      encoding: 'buffer',
      maxBuffer: 20_000_000,
    })
    expect(createHash('sha256').update(stdout).digest('hex')).toBe(digests.get(10_000_000))
    const posted = await run('curl', [
      '--silent',
      '--output',
      '-',
      '--write-out',
      '%{http_code}',
      '-d',
      'x',
      at('1.bin'),
    ])
    expect(posted.stdout).toBe('307')
  })
})
