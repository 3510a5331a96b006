import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { appendFile, open, readFile, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { platform } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { type Answer, ask } from '../../support/http-client.node.js'
import { describeIf } from '../../support/requires.js'
import { type SharedFolder, shareFolder } from '../../support/shared-folder.node.js'

const content = Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * 7 + (index >> 8)) & 255))
const largeBytes = 48_000_000
let share: SharedFolder

/** A file much larger than what sockets hold, without anything on the disk. */
async function makeSparse(path: string): Promise<void> {
  await writeFile(path, '')
  await truncate(path, largeBytes)
}

beforeAll(async () => {
  share = await shareFolder(async root => {
    await writeFile(join(root, 'film.mp4'), content)
    await writeFile(join(root, 'empty.txt'), '')
    await makeSparse(join(root, 'large.bin'))
  })
})
afterAll(() => share.stop())

function fetchFile(headers: Record<string, string> = {}, path = '/film.mp4', method = 'GET'): Promise<Answer> {
  return ask({ port: share.port, path, headers, method })
}

/** Asks until the second in which the file was written is over, from when on it has a date. */
async function fetchDated(path?: string): Promise<Answer> {
  let answer = await fetchFile({}, path)
  while (answer.headers['last-modified'] === undefined) answer = await fetchFile({}, path)
  return answer
}

/** Asks, and gives the answer over as soon as its head is there; nothing is read yet. */
function begin(path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port: share.port, path, headers, agent: false }, resolve).on('error', reject)
  })
}

/** How a transfer ends: with its number of bytes, or broken. */
async function finish(res: IncomingMessage): Promise<number | 'broken'> {
  // It may have broken before anybody listened.
  if (res.destroyed) return 'broken'
  let bytes = 0
  res.on('data', (chunk: Buffer) => (bytes += chunk.length))
  return once(res, 'end').then(
    () => bytes,
    () => 'broken' as const,
  )
}

/** What comes back when a program asks, says that it will ask no more, and reads to the end. */
async function askAndFinish(path: string): Promise<Buffer> {
  const socket = connect({ port: share.port, host: '127.0.0.1', allowHalfOpen: true })
  socket.end(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${share.port}\r\n\r\n`)
  const pieces: Buffer[] = []
  for await (const piece of socket) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

/** The parts of a multipart answer, taken apart by its boundary. */
function takeApart({ headers, body }: Answer): readonly { readonly range: string; readonly bytes: Buffer }[] {
  const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(headers['content-type'] ?? '')?.[1]
  const text = `\r\n${body.toString('latin1')}`
  const pieces = text.split(`\r\n--${boundary}`)
  expect(pieces[0]).toBe('')
  expect(pieces.at(-1)).toBe('--\r\n')
  return pieces.slice(1, -1).map(piece => {
    const end = piece.indexOf('\r\n\r\n')
    const head = piece.slice(0, end)
    expect(head).toContain('Content-Type: video/mp4')
    return { range: /Content-Range: (.*)/.exec(head)![1]!, bytes: Buffer.from(piece.slice(end + 4), 'latin1') }
  })
}

describe('a file', () => {
  it('answers in full when the other side has finished to ask', async () => {
    const answer = await askAndFinish('/film.mp4')
    expect(answer.subarray(-content.length).equals(content)).toBe(true)
    const large = await askAndFinish('/large.bin')
    expect(large.length).toBeGreaterThan(largeBytes)
  })

  it('comes whole, with what a player needs to know', async () => {
    const { status, headers, body } = await fetchDated()
    expect(status).toBe(200)
    expect(body.equals(content)).toBe(true)
    expect(headers).toMatchObject({
      'content-type': 'video/mp4',
      'content-length': '200000',
      'accept-ranges': 'bytes',
      'cache-control': 'private, no-cache',
      etag: expect.stringMatching(/^"[\w-]{22}"$/),
      'last-modified': expect.stringMatching(/ GMT$/),
    })
  })

  it('has the same head for HEAD, and no body', async () => {
    const [whole, head] = [await fetchDated(), await fetchFile({ range: 'bytes=0-9' }, '/film.mp4', 'HEAD')]
    expect(head.status).toBe(200)
    expect(head.body).toHaveLength(0)
    expect({ ...head.headers, date: '' }).toEqual({ ...whole.headers, date: '' })
  })

  it('may be empty', async () => {
    expect(await fetchFile({}, '/empty.txt')).toMatchObject({
      status: 200,
      text: '',
      headers: { 'content-length': '0' },
    })
    expect(await fetchFile({ range: 'bytes=-5' }, '/empty.txt')).toMatchObject({ status: 200, text: '' })
    expect(await fetchFile({ range: 'bytes=0-' }, '/empty.txt')).toMatchObject({
      status: 416,
      headers: { 'content-range': 'bytes */0' },
    })
  })

  it.each([
    ['a.mp4', 'video/mp4'],
    ['a.m4v', 'video/mp4'],
    ['a.webm', 'video/webm'],
    ['a.mkv', 'video/x-matroska'],
    ['a.m4a', 'audio/mp4'],
    ['a.mp3', 'audio/mpeg'],
    ['a.ogg', 'audio/ogg'],
    ['a.FLAC', 'audio/flac'],
    ['a.srt', 'application/x-subrip; charset=utf-8'],
    ['a.vtt', 'text/vtt; charset=utf-8'],
    ['a.txt', 'text/plain; charset=utf-8'],
    ['a.json', 'application/json; charset=utf-8'],
    ['a.html', 'text/html; charset=utf-8'],
    ['a.svg', 'image/svg+xml; charset=utf-8'],
    ['a.jpg', 'image/jpeg'],
    ['a.tar.gz', 'application/gzip'],
    ['a', 'application/octet-stream'],
    ['mp4', 'application/octet-stream'],
    ['a.unheard-of', 'application/octet-stream'],
  ])('%s is %s', async (name, type) => {
    await writeFile(join(share.root, name), 'x')
    const { headers } = await fetchFile({}, `/${name}`)
    expect(headers['content-type']).toBe(type)
    const sandboxed = headers['content-security-policy']?.includes('sandbox') === true
    expect(sandboxed).toBe(/html|svg/.test(type))
  })
})

describe('ranges', () => {
  it.each([
    ['bytes=0-0', 0, 0],
    ['bytes=0-', 0, 199_999],
    ['bytes=100-65636', 100, 65_636],
    ['bytes=199999-', 199_999, 199_999],
    ['bytes=199990-300000', 199_990, 199_999],
    ['bytes=-10', 199_990, 199_999],
    ['bytes=-300000', 0, 199_999],
    ['bytes=0-9,5-14', 0, 14],
    ['bytes=0-9,900000-', 0, 9],
  ])('%s', async (range, start, end) => {
    const { status, headers, body } = await fetchFile({ range })
    expect(status).toBe(206)
    expect(headers['content-range']).toBe(`bytes ${start}-${end}/200000`)
    expect(headers['content-type']).toBe('video/mp4')
    expect(body.equals(content.subarray(start, end + 1))).toBe(true)
  })

  it.each(['bytes=200000-', 'bytes=-0', 'bytes=200000-200001,300000-'])('%s: 416', async range => {
    const { status, headers, body } = await fetchFile({ range })
    expect(status).toBe(416)
    expect(headers['content-range']).toBe('bytes */200000')
    expect(headers).not.toHaveProperty('etag')
    expect(JSON.parse(body.toString())).toMatchObject({ status: 416 })
  })

  it('sends several as parts, in their order, with a true length', async () => {
    const answer = await fetchFile({ range: 'bytes=150000-150099, 0-0, -5, 70000-140000' })
    expect(answer.status).toBe(206)
    expect(answer.headers).not.toHaveProperty('content-range')
    expect(Number(answer.headers['content-length'])).toBe(answer.body.length)
    const parts = takeApart(answer)
    const expected = [
      [150_000, 150_099],
      [0, 0],
      [199_995, 199_999],
      [70_000, 140_000],
    ] as const
    expect(parts.map(({ range }) => range)).toEqual(expected.map(([a, b]) => `bytes ${a}-${b}/200000`))
    expect(parts.every(({ bytes }, i) => bytes.equals(content.subarray(expected[i]![0], expected[i]![1] + 1)))).toBe(
      true,
    )
  })

  it('never sends a byte twice, and ignores a header with too many', async () => {
    const overlapping = await fetchFile({ range: `bytes=${'0-,'.repeat(30)}0-` })
    expect(overlapping.status).toBe(206)
    expect(overlapping.body).toHaveLength(200_000)
    const many = Array.from({ length: 33 }, (_, index) => `${index * 2}-${index * 2}`).join()
    expect(await fetchFile({ range: `bytes=${many}` })).toMatchObject({ status: 200 })
  })
})

describe('conditions', () => {
  it('a version that the client has is not sent again', async () => {
    const { headers } = await fetchDated()
    const known = await fetchFile({ 'if-none-match': headers.etag!, range: 'bytes=0-9' })
    expect(known).toMatchObject({ status: 304, text: '', headers: { etag: headers.etag } })
    // A browser stores the headers of a 304 over those of the answer that it has, and would play nothing under "none".
    expect(known.headers['content-security-policy']).toBe(headers['content-security-policy'])
    expect(await fetchFile({ 'if-modified-since': headers['last-modified']! })).toMatchObject({ status: 304 })
    expect(await fetchFile({ 'if-match': '"other"' })).toMatchObject({ status: 412 })
  })

  it('a range continues the version that it began with, else all comes anew', async () => {
    const path = '/changing.bin'
    const file = join(share.root, 'changing.bin')
    await writeFile(file, 'one')
    const { headers } = await fetchDated(path)
    const known = [headers.etag!, headers['last-modified']!]
    for (const ifRange of known) {
      expect(await fetchFile({ range: 'bytes=1-', 'if-range': ifRange }, path)).toMatchObject({
        status: 206,
        text: 'ne',
      })
    }
    const { atime, mtime } = await stat(file)
    await writeFile(file, 'two')
    await utimes(file, atime, mtime)
    for (const ifRange of known) {
      expect(await fetchFile({ range: 'bytes=1-', 'if-range': ifRange }, path)).toMatchObject({
        status: 200,
        text: 'two',
      })
    }
    expect(await fetchFile({ 'if-none-match': headers.etag! }, path)).toMatchObject({ status: 200 })
    expect(await fetchFile({ 'if-modified-since': headers['last-modified']! }, path)).toMatchObject({ status: 200 })
    expect(await fetchFile({ 'if-match': headers.etag! }, path)).toMatchObject({ status: 412 })
  })
})

describe('a file that changes while it is sent', () => {
  const path = '/changes.bin'
  const file = (): string => join(share.root, 'changes.bin')
  const rewrite = async (): Promise<void> => {
    const handle = await open(file(), 'r+')
    await handle.write('another version', largeBytes - 100)
    await handle.close()
  }

  it.each([
    ['became shorter', () => truncate(file(), 1_000)],
    ['was written over', rewrite],
    [
      'was written over and dated back',
      async () => {
        const { atime, mtime } = await stat(file())
        await rewrite()
        await utimes(file(), atime, mtime)
      },
    ],
    [
      'was written anew, and larger, as cp does',
      async () => {
        await writeFile(file(), 'another version')
        await truncate(file(), largeBytes + 1_000)
      },
    ],
    ['grew, which cannot be told from that', () => appendFile(file(), 'more')],
  ])('breaks off when it %s', async (_how, change) => {
    for (const headers of [{}, { range: 'bytes=10-' }, { range: 'bytes=0-40000000,45000000-' }]) {
      await makeSparse(file())
      const res = await begin(path, headers)
      await change()
      expect(await finish(res)).toBe('broken')
    }
  })

  it('resets the connection, for programs that read to its end', async () => {
    await makeSparse(file())
    const socket = connect({ port: share.port, host: '127.0.0.1', allowHalfOpen: true })
    socket.write(`GET ${path} HTTP/1.0\r\nHost: 127.0.0.1:${share.port}\r\n\r\n`)
    const broken = once(socket, 'error')
    // Node takes a reset that comes together with data for an end; writing finds out.
    socket.on('end', () => socket.write(''))
    await once(socket, 'readable')
    await rewrite()
    socket.resume()
    await expect(broken).resolves.toMatchObject([{ syscall: expect.stringMatching(/read|write/) }])
  })

  it('comes whole when it is left alone', async () => {
    await makeSparse(file())
    expect(await finish(await begin(path))).toBe(largeBytes)
  })
})

describeIf(platform() === 'linux', 'needs /proc to see open files')('handles', () => {
  const openHandles = (name: string): number =>
    readdirSync('/proc/self/fd').filter(fd => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).endsWith(name)
      } catch {
        return false
      }
    }).length

  it('are closed after twenty seeks that a player broke off', async () => {
    for (let seek = 0; seek < 20; seek++) {
      const res = await begin('/large.bin', { range: `bytes=${seek * 1_000_000}-` })
      await once(res, 'readable')
      expect(openHandles('/large.bin')).toBeGreaterThan(0)
      res.destroy()
    }
    while (openHandles('/large.bin') > 0) await setImmediate()
    expect(openHandles('/large.bin')).toBe(0)
  })

  it('are one for a connection, however many requests it sends at once, and closed when it ends', async () => {
    const socket = connect(share.port, '127.0.0.1')
    socket.write(`GET /large.bin HTTP/1.1\r\nHost: 127.0.0.1:${share.port}\r\n\r\n`.repeat(1_000))
    while (openHandles('/large.bin') === 0) await setImmediate()
    expect(await fetchFile({}, '/film.mp4', 'HEAD')).toMatchObject({ status: 200 })
    expect(openHandles('/large.bin')).toBe(1)
    socket.destroy()
    while (openHandles('/large.bin') > 0) await setImmediate()
    expect(openHandles('/large.bin')).toBe(0)
  })

  it('are closed after every kind of answer', async () => {
    const { etag } = (await fetchFile()).headers
    const asked = [{}, { range: 'bytes=0-1' }, { range: 'bytes=0-1,5-6' }, { range: 'bytes=900000-' }]
    for (const headers of [...asked, { 'if-none-match': etag! }, { 'if-match': '"x"' }]) await fetchFile(headers)
    await fetchFile({}, '/film.mp4', 'HEAD')
    await fetchFile({}, '/film.mp4/')
    await fetchFile({}, '/')
    while (openHandles('/film.mp4') + openHandles('/share') > 0) await setImmediate()
    expect(await readFile(join(share.root, 'film.mp4'))).toHaveLength(200_000)
  })
})
