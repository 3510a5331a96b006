import { afterEach, describe, expect, it, jest } from '@jest/globals'
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { lastValueFrom, tap } from 'rxjs'
import { Bound } from '../../../src/cli/get/bound.js'
import { parseFileAddress } from '../../../src/cli/get/address.js'
import { download$, downloadLimits } from '../../../src/cli/get/download.js'
import { diskFailure } from '../../../src/cli/disk-failure.js'
import { PartialFile } from '../../../src/cli/get/partial-file.js'
import { CommandFailure } from '../../../src/cli/failure.js'
import { run } from '../../../src/cli/program.js'
import type { ErrorCode } from '../../../src/protocol/errors.js'
import { patternBytes } from '../../support/pattern.js'
import { type FakeIo, fakeIo } from '../support/fake-io.js'
import { httpServers, peerHomes } from '../support/peer-home.js'
import { temporaryFolders } from '../support/temporary.js'

const temporary = temporaryFolders()
const homeOf = peerHomes(temporary)
const serve = httpServers()
afterEach(() => void jest.restoreAllMocks())

const film = Buffer.from(patternBytes(1, 0, 300_000))
const tag = '"one"'

/** Bob's side: answers each request in turn, the last one for all that follow. Keeps what was asked. */
class Bob {
  readonly asked: (readonly [string | undefined, string | undefined, string | undefined])[] = []
  readonly handler: RequestListener = (req, res) => {
    const { url, headers } = req
    const answer = this.answers[Math.min(this.asked.length, this.answers.length - 1)]!
    this.asked.push([url, headers.range, headers['if-range'] as string | undefined])
    answer(req, res)
  }
  constructor(private readonly answers: readonly RequestListener[]) {}
}

/** The file as our data server sends it, ranges included. */
const file =
  (body = film, etag: string | undefined = tag): RequestListener =>
  (req, res) => {
    const from = /^bytes=(\d+)-$/.exec(req.headers.range ?? '')?.[1]
    if (etag !== undefined) res.setHeader('etag', etag)
    if (from === undefined || req.headers['if-range'] !== etag) {
      res.writeHead(200, { 'content-length': body.length }).end(body)
    } else if (Number(from) >= body.length) {
      res.writeHead(416, { 'content-range': `bytes */${body.length}` }).end()
    } else {
      const rest = body.subarray(Number(from))
      const range = `bytes ${from}-${body.length - 1}/${body.length}`
      res.writeHead(206, { 'content-range': range, 'content-length': rest.length }).end(rest)
    }
  }

/** The same, and the connection breaks when so much of it has been sent. */
const breaking =
  (bytes: number, headers: Record<string, string | number> = { etag: tag }): RequestListener =>
  (_req, res) => {
    res.writeHead(200, { 'content-length': film.length, ...headers })
    res.write(film.subarray(0, bytes), () => res.socket?.end())
  }

const status =
  (code: number, headers: Record<string, string> = {}): RequestListener =>
  (_req, res) =>
    res.writeHead(code, headers).end()

/** An error as the proxy tells it. */
const problem =
  (code: ErrorCode, http: number): RequestListener =>
  (_req, res) =>
    res.writeHead(http).end(JSON.stringify({ status: http, code, detail: `it says ${code}` }))

/** A home whose peer leads to bob; `proxy` answers instead for as long as it gives a handler. */
async function homeWith(
  bob: Bob,
  proxy: (asked: number) => RequestListener | undefined = () => undefined,
): Promise<string> {
  const port = await serve(bob.handler)
  let asked = 0
  return homeOf((req: IncomingMessage, res: ServerResponse) => {
    const answer = proxy(asked++)
    if (answer !== undefined) return answer(req, res)
    const path = /^\/proxy\/bob(\/.*)$/.exec(req.url ?? '')?.[1]
    res.writeHead(302, { location: `http://127.0.0.1:${port}${path}` }).end()
  })
}

interface Stage {
  readonly io: FakeIo
  readonly cwd: string
  readonly get: (...argv: readonly string[]) => Promise<number>
  readonly files: () => readonly string[]
  readonly failure: () => { readonly code: string; readonly message: string }
}

function stageAt(home: string, terminal = false): Stage {
  const cwd = temporary()
  const io = fakeIo(cwd, { terminal, env: { NO_COLOR: '1' } })
  return {
    io,
    cwd,
    get: (...argv) => run(['get', ...argv, '--home', home], io),
    files: () => readdirSync(cwd).sort(),
    failure: () => io.messages().at(-1)!.error as { code: string; message: string },
  }
}

/** What an earlier run left of `body`. */
async function leave(cwd: string, body: Uint8Array, size = film.length, etag = tag): Promise<void> {
  const partial = await PartialFile.open(join(cwd, 'film.bin'), 'lighthouse://bob/film.bin', process.pid)
  await partial.begin({ etag, size })
  await partial.append(body)
  await partial.close()
}

/** Does something once so much is on the disk. */
function afterBytes(length: number | undefined, act: (path: string) => void): void {
  const append = PartialFile.prototype.append
  jest.spyOn(PartialFile.prototype, 'append').mockImplementation(async function (this: PartialFile, bytes) {
    await append.call(this, bytes)
    if (length === undefined || this.length === length) act(this.path)
  })
}

/** Of a file that announces its length. */
const bound = new Bound({
  nickname: 'bob',
  name: 'film.bin',
  max: undefined,
  ask: undefined,
  notice: () => undefined,
})

const kept = ['film.bin.part', 'film.bin.part.json']
const begun = film.subarray(0, 100_000)

describe('get', () => {
  it('fetches a file through the tunnel, as the listing calls it', async () => {
    const bob = new Bob([file()])
    const { get, files, io, cwd } = stageAt(await homeWith(bob))
    expect(await get('bob/a b/été, 100 %.bin', '--json')).toBe(0)
    expect(bob.asked).toEqual([['/a%20b/%C3%A9t%C3%A9%2C%20100%20%25.bin', undefined, undefined]])
    expect(files()).toEqual(['été, 100 %.bin'])
    expect(readFileSync(join(cwd, 'été, 100 %.bin')).equals(film)).toBe(true)
    expect(io.messages()).toEqual([
      {
        got: {
          address: 'lighthouse://bob/a%20b/%C3%A9t%C3%A9%2C%20100%20%25.bin',
          file: join(cwd, 'été, 100 %.bin'),
          bytes: 300_000,
          resumedFrom: 0,
          etag: tag,
        },
      },
    ])
    expect(io.err()).toBe('')
  })

  it('says what it did in words, and shows progress on a terminal only', async () => {
    const home = await homeWith(new Bob([file()]))
    const silent = stageAt(home)
    expect(await silent.get('lighthouse://bob/film.bin')).toBe(0)
    expect([silent.io.out(), silent.io.err()]).toEqual(['film.bin: 300.0 kB from bob\n', ''])
    const seen = stageAt(home, true)
    expect(await seen.get('bob/film.bin')).toBe(0)
    expect(seen.io.out()).toBe('film.bin: 300.0 kB from bob\n')
    expect(seen.io.err()).toMatch(/^\rfilm\.bin {2}[\d.]+ kB of 300\.0 kB.*\r\u001b\[K$/s)
  })

  it.each<[string, RequestListener]>([
    ['an empty file', file(Buffer.alloc(0))],
    ['a file of unknown length', (_req, res) => res.writeHead(200).end()],
  ])('takes %s', async (_what, answer) => {
    const { get, cwd, files } = stageAt(await homeWith(new Bob([answer])))
    expect(await get('bob/film.bin')).toBe(0)
    expect(files()).toEqual(['film.bin'])
    expect(readFileSync(join(cwd, 'film.bin')).length).toBe(0)
  })

  it.each<[string, readonly string[], string]>([
    ['a file', ['-o', 'sub/other.bin'], 'other.bin'],
    ['a folder', ['-o', 'sub'], 'film.bin'],
  ])('puts it into %s that is named', async (_what, argv, name) => {
    const { get, cwd } = stageAt(await homeWith(new Bob([file()])))
    mkdirSync(join(cwd, 'sub'))
    expect(await get('bob/film.bin', ...argv)).toBe(0)
    expect(readdirSync(join(cwd, 'sub'))).toEqual([name])
  })
})

describe('get, with what an earlier run left', () => {
  it('asks for the rest of that version', async () => {
    const bob = new Bob([file()])
    const { get, files, io, cwd } = stageAt(await homeWith(bob))
    await leave(cwd, begun)
    expect(await get('bob/film.bin')).toBe(0)
    expect(bob.asked).toEqual([['/film.bin', 'bytes=100000-', tag]])
    expect(files()).toEqual(['film.bin'])
    expect(readFileSync(join(cwd, 'film.bin')).equals(film)).toBe(true)
    expect(io.err()).toBe('Resuming at 100.0 kB.\n')
  })

  it('begins anew when the file has changed, and says so', async () => {
    const other = Buffer.from(patternBytes(2, 0, 200_000))
    const { get, io, cwd } = stageAt(await homeWith(new Bob([file(other, '"two"')])))
    await leave(cwd, begun)
    expect(await get('bob/film.bin')).toBe(0)
    expect(readFileSync(join(cwd, 'film.bin')).equals(other)).toBe(true)
    expect(io.err()).toMatch(/another version/)
  })

  it('begins anew at a server that knows no ranges', async () => {
    const whole: RequestListener = (_req, res) => res.writeHead(200, { etag: tag }).end(film)
    const { get, io, cwd } = stageAt(await homeWith(new Bob([whole])))
    await leave(cwd, begun)
    expect(await get('bob/film.bin', '--json')).toBe(0)
    expect(io.messages()).toMatchObject([{ got: { bytes: 300_000, resumedFrom: 0 } }])
    expect(readFileSync(join(cwd, 'film.bin')).equals(film)).toBe(true)
  })

  it('gives what is whole its name, once bob says that it is', async () => {
    const bob = new Bob([file()])
    const { get, files, io, cwd } = stageAt(await homeWith(bob))
    await leave(cwd, film)
    expect(await get('bob/film.bin', '--json')).toBe(0)
    expect(bob.asked).toEqual([['/film.bin', 'bytes=300000-', tag]])
    expect(files()).toEqual(['film.bin'])
    expect(io.messages()).toMatchObject([{ got: { bytes: 300_000, resumedFrom: 300_000 } }])
  })

  it('asks for everything when that lies beyond the end', async () => {
    const short = film.subarray(0, 50_000)
    const bob = new Bob([file(short)])
    const { get, cwd } = stageAt(await homeWith(bob))
    await leave(cwd, begun)
    expect(await get('bob/film.bin')).toBe(0)
    expect(bob.asked.map(([, range]) => range)).toEqual(['bytes=100000-', undefined])
    expect(readFileSync(join(cwd, 'film.bin')).equals(short)).toBe(true)
  })

  it('drops nothing before a whole file of another version comes', async () => {
    const beyond: RequestListener = (_req, res) => res.writeHead(416, { 'content-range': 'bytes */50000' }).end()
    const { get, files, cwd } = stageAt(await homeWith(new Bob([beyond, status(404)])))
    await leave(cwd, begun)
    expect(await get('bob/film.bin')).toBe(1)
    expect(files()).toEqual(kept)
    expect(readFileSync(join(cwd, 'film.bin.part')).equals(begun)).toBe(true)
  })

  it.each<[string, Record<string, string | number>]>([
    ['of an unknown version', { 'content-range': 'bytes 100000-299999/300000' }],
    ['of another version', { 'content-range': 'bytes 100000-299999/300000', etag: '"two"' }],
    ['from elsewhere', { 'content-range': 'bytes 0-299999/300000', etag: tag }],
    ['of a longer file', { 'content-range': 'bytes 100000-300000/300001', etag: tag }],
  ])('takes no part %s: exit code 7', async (_what, headers) => {
    const bob = new Bob([(_req, res) => res.writeHead(206, headers).end(film)])
    const { get, files, failure, cwd } = stageAt(await homeWith(bob))
    await leave(cwd, begun)
    expect(await get('bob/film.bin', '--json')).toBe(7)
    expect(failure().code).toBe('not-as-announced')
    expect(files()).toEqual(kept)
    expect(readFileSync(join(cwd, 'film.bin.part')).equals(begun)).toBe(true)
  })

  it('finds out when the partial file was cut while it grew: exit code 7', async () => {
    const { get, files, cwd } = stageAt(await homeWith(new Bob([file()])))
    afterBytes(film.length, path => writeFileSync(path, 'cut'))
    expect(await get('bob/film.bin')).toBe(7)
    expect(files()).toEqual(kept)
    expect(readFileSync(join(cwd, 'film.bin.part'), 'utf8')).toBe('cut')
  })
})

describe('get, when the connection breaks', () => {
  it('goes on by itself where it was', async () => {
    const bob = new Bob([breaking(100_000), file()])
    const { get, io, cwd } = stageAt(await homeWith(bob))
    expect(await get('bob/film.bin')).toBe(0)
    expect(bob.asked).toEqual([
      ['/film.bin', undefined, undefined],
      ['/film.bin', 'bytes=100000-', tag],
    ])
    expect(readFileSync(join(cwd, 'film.bin')).equals(film)).toBe(true)
    expect(io.err()).toMatch(/^The transfer from bob was interrupted \(.*\)\. Retrying in 0\.\d s\.\n$/)
  })

  it('waits for a peer that cannot be reached for a while', async () => {
    const away = [undefined, problem('peer-offline', 502), problem('connect-timeout', 504)]
    const bob = new Bob([breaking(100_000), file()])
    const { get, io, cwd } = stageAt(await homeWith(bob, asked => away[asked]))
    expect(await get('bob/film.bin')).toBe(0)
    expect(bob.asked).toHaveLength(2)
    expect(readFileSync(join(cwd, 'film.bin')).equals(film)).toBe(true)
    expect(io.err()).toMatch(/It says peer-offline\. Retrying/)
  })

  it('starts over if nothing identifies the version', async () => {
    const bob = new Bob([breaking(100_000, {}), file(film, undefined)])
    const { get, cwd } = stageAt(await homeWith(bob))
    expect(await get('bob/film.bin')).toBe(0)
    expect(bob.asked.map(([, range]) => range)).toEqual([undefined, undefined])
    expect(readFileSync(join(cwd, 'film.bin')).equals(film)).toBe(true)
  })

  it('does not treat a reset as the end, if the end of the connection is that of the file', async () => {
    let reset: (() => void) | undefined
    const endless: RequestListener = (req, res) => {
      reset = () => req.socket.resetAndDestroy()
      res.useChunkedEncodingByDefault = false
      res.writeHead(200, { connection: 'close' })
      res.write(begun)
    }
    const bob = new Bob([endless, file()])
    const { get, cwd } = stageAt(await homeWith(bob))
    afterBytes(begun.length, () => reset?.())
    expect(await get('bob/film.bin')).toBe(0)
    expect(bob.asked.filter(([path]) => path === '/film.bin')).toHaveLength(2)
    expect(readFileSync(join(cwd, 'film.bin')).equals(film)).toBe(true)
  })

  it('gives up after so many attempts that bring nothing, and counts anew with each that brings something', async () => {
    const piecewise: RequestListener = (req, res) => {
      const from = Number(/\d+/.exec(req.headers.range ?? '')?.[0] ?? 0)
      // Only every third brings something, and nothing does after the first half.
      const to = bob.asked.length % 3 === 1 && from < 150_000 ? from + 50_000 : from
      const head = { etag: tag, 'content-length': film.length - from }
      const range = `bytes ${from}-${film.length - 1}/${film.length}`
      res.writeHead(from === 0 ? 200 : 206, from === 0 ? head : { ...head, 'content-range': range })
      res.write(film.subarray(from, to), () => res.socket?.end())
      if (to === from) res.socket?.end()
    }
    const bob = new Bob([piecewise])
    const home = await homeWith(bob)
    const partial = await PartialFile.open(join(temporary(), 'film.bin'), 'lighthouse://bob/film.bin', process.pid)
    const waits: number[] = []
    const limits = {
      ...downloadLimits,
      fruitlessAttempts: 3,
      waitMs: (fruitless: number) => {
        waits.push(fruitless)
        return 0
      },
    }
    const address = parseFileAddress('bob/film.bin')
    await expect(lastValueFrom(download$({ home, address, into: partial, bound }, limits))).rejects.toMatchObject({
      code: 'transfer-broken',
    })
    expect(partial.length).toBe(150_000)
    expect(waits).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2])
    await partial.close()
  })

  it('does not pay for ever for a file that is another one each time', async () => {
    const answers = Array.from({ length: 9 }, (_, at) => breaking(10_000 + at, { etag: `"${at}"` }))
    const bob = new Bob(answers)
    const partial = await PartialFile.open(join(temporary(), 'film.bin'), 'lighthouse://bob/film.bin', process.pid)
    const home = await homeWith(bob)
    const address = parseFileAddress('bob/film.bin')
    const limits = { ...downloadLimits, waitMs: () => 0 }
    await expect(lastValueFrom(download$({ home, address, into: partial, bound }, limits))).rejects.toMatchObject({
      code: 'transfer-broken',
    })
    expect(bob.asked).toHaveLength(downloadLimits.beginnings)
    await partial.close()
  })

  it('gives up sooner where nothing ever came', async () => {
    const bob = new Bob([status(503)])
    const { get, files } = stageAt(await homeWith(bob))
    expect(await get('bob/film.bin')).toBe(5)
    expect(bob.asked).toHaveLength(3)
    expect(files()).toEqual([])
  })

  it('says on a terminal that the transfer has stalled', async () => {
    const silent: RequestListener = (_req, res) => {
      res.writeHead(200, { etag: tag, 'content-length': film.length })
      res.write(begun)
    }
    const { get, io } = stageAt(await homeWith(new Bob([silent])), true)
    const write = io.stderr.write.bind(io.stderr)
    jest.spyOn(io.stderr, 'write').mockImplementation(text => {
      write(text)
      if (/stalled for \d+ s/.test(text)) io.interrupt$.next()
    })
    expect(await get('bob/film.bin')).toBe(1)
    expect(io.err()).toMatch(/\rfilm\.bin {2}100\.0 kB of 300\.0 kB {2}33 % {2}stalled for \d+ s/)
  })

  it('treats silence as a broken connection', async () => {
    const silent: RequestListener = (_req, res) => {
      res.writeHead(200, { etag: tag, 'content-length': film.length })
      res.write(begun)
    }
    const home = await homeWith(new Bob([silent, file()]))
    const partial = await PartialFile.open(join(temporary(), 'film.bin'), 'lighthouse://bob/film.bin', process.pid)
    const reasons: string[] = []
    const limits = { ...downloadLimits, stallMs: 200, waitMs: () => 0 }
    await lastValueFrom(
      download$({ home, address: parseFileAddress('bob/film.bin'), into: partial, bound }, limits).pipe(
        tap(event => event.type === 'waiting' && reasons.push(event.failure.message)),
      ),
    )
    expect(reasons).toEqual(['the transfer from bob was interrupted (no data for 0.2 s)'])
    expect(partial.length).toBe(film.length)
    await partial.close()
  })

  it('keeps what there is after Ctrl-C, and says how to go on', async () => {
    const held: RequestListener = (_req, res) => {
      res.writeHead(200, { etag: tag, 'content-length': film.length })
      res.write(begun)
    }
    const bob = new Bob([held, file()])
    const { get, files, io, cwd } = stageAt(await homeWith(bob))
    afterBytes(begun.length, () => io.interrupt$.next())
    expect(await get('bob/film.bin')).toBe(1)
    expect(files()).toEqual(kept)
    expect(io.err()).toMatch(/interrupted.*100\.0 kB of 300\.0 kB is kept in ".*film\.bin\.part".*to resume/)
    expect(await get('bob/film.bin')).toBe(0)
    expect(bob.asked.at(-1)).toEqual(['/film.bin', 'bytes=100000-', tag])
    expect(readFileSync(join(cwd, 'film.bin')).equals(film)).toBe(true)
  })
})

describe('get, when coins are wanting', () => {
  it('ends at once with exit code 6, and leaves nothing', async () => {
    const bob = new Bob([file()])
    const { get, files, io } = stageAt(await homeWith(bob, () => problem('no-coins', 402)))
    expect(await get('bob/film.bin')).toBe(6)
    expect(io.err()).toMatch(/out of coins: it says no-coins\. One coin buys one megabyte\..*to earn coins/)
    expect([bob.asked, files()]).toEqual([[], []])
  })

  it('ends with exit code 6 in the middle, says the price of the rest, and goes on when there are some', async () => {
    const bob = new Bob([breaking(100_000), file()])
    const answers = [undefined, problem('no-coins', 402)]
    const { get, files, failure, io, cwd } = stageAt(await homeWith(bob, asked => answers[asked]))
    expect(await get('bob/film.bin', '--json')).toBe(6)
    expect(failure()).toEqual({
      code: 'no-coins',
      message: expect.stringMatching(/^out of coins: .* The remaining 200\.0 kB costs 0\.200000 coins\. 100\.0 kB of/),
    })
    expect(files()).toEqual(kept)
    expect(await get('bob/film.bin', '--json')).toBe(0)
    expect(io.messages().at(-1)).toMatchObject({ got: { bytes: 300_000, resumedFrom: 100_000 } })
    expect(readFileSync(join(cwd, 'film.bin')).equals(film)).toBe(true)
  })

  it('believes the own proxy only', async () => {
    const { get, failure } = stageAt(await homeWith(new Bob([problem('no-coins', 402)])))
    expect(await get('bob/film.bin', '--json')).toBe(1)
    expect(failure()).toMatchObject({ code: 'unexpected-answer', message: expect.stringContaining('status 402') })
  })
})

describe('get, when it cannot', () => {
  it.each<[ErrorCode, number, number]>([
    ['hub-unreachable', 503, 4],
    ['not-authenticated', 503, 3],
    ['peer-offline', 502, 5],
    ['unknown-nickname', 404, 5],
    ['connect-timeout', 504, 5],
    ['own-nickname', 409, 2],
    ['spending-limit', 402, 6],
    ['key-changed', 502, 7],
  ])('passes %s on at once', async (code, http, exit) => {
    let asked = 0
    const proxy = (): RequestListener => {
      asked += 1
      return problem(code, http)
    }
    const { get, files, failure } = stageAt(await homeWith(new Bob([file()]), proxy))
    expect(await get('bob/film.bin', '--json')).toBe(exit)
    expect(failure()).toEqual({ code, message: `it says ${code}.` })
    expect([asked, files()]).toEqual([1, []])
  })

  it.each<[string, RequestListener]>([
    ['leads elsewhere', status(302, { location: 'http://elsewhere.example/film.bin' })],
    ['answers with something else', status(200)],
  ])('does not follow a proxy that %s', async (_what, answer) => {
    const { get, failure } = stageAt(await homeWith(new Bob([file()]), () => answer))
    expect(await get('bob/film.bin', '--json')).toBe(1)
    expect(failure().code).toBe('not-answering')
  })

  it('says that no peer is running', async () => {
    const { get, files, failure } = stageAt(temporary())
    expect(await get('bob/film.bin', '--json')).toBe(1)
    expect([failure().code, files()]).toEqual(['not-running', []])
  })

  it.each<[string, RequestListener, number, RegExp]>([
    ['a folder', status(302, { location: './film.bin/' }), 2, /lighthouse:\/\/bob\/film\.bin: it is a folder/],
    ['what is not there', status(404), 1, /no such file.*in a browser/],
    ['an error', status(500), 1, /status 500/],
  ])('refuses %s in words', async (_what, answer, exit, words) => {
    const { get, files, io } = stageAt(await homeWith(new Bob([answer])))
    expect(await get('bob/film.bin')).toBe(exit)
    expect(io.err()).toMatch(words)
    expect(files()).toEqual([])
  })

  it('says how to write a name that was copied from a browser', async () => {
    const { get, io } = stageAt(await homeWith(new Bob([status(404)])))
    expect(await get('bob/a%20b.bin')).toBe(1)
    expect(io.err()).toContain('use "lighthouse://bob/a%20b.bin"')
    expect(await get('lighthouse://bob/c%20d.bin')).toBe(1)
    expect(io.err()).not.toContain('use "lighthouse://bob/c')
  })

  it.each<[string, readonly string[], number]>([
    ['a folder', ['bob/films/'], 2],
    ['nobody', ['/film.bin'], 2],
    ['nothing', [], 2],
    ['a bound that is no size', ['bob/film.bin', '--max', 'much'], 2],
    ['a folder that is not there as the target', ['bob/film.bin', '-o', 'no/film.bin'], 1],
    ['a folder that is a file as the target', ['bob/film.bin', '-o', 'there/film.bin'], 1],
  ])('refuses %s before it asks anybody', async (_what, argv, exit) => {
    const bob = new Bob([file()])
    const { get, cwd, files } = stageAt(await homeWith(bob))
    writeFileSync(join(cwd, 'there'), '')
    expect(await get(...argv)).toBe(exit)
    expect([bob.asked, files()]).toEqual([[], ['there']])
  })

  it('replaces a file that is there only with --force', async () => {
    const bob = new Bob([file()])
    const { get, cwd, io } = stageAt(await homeWith(bob))
    writeFileSync(join(cwd, 'film.bin'), 'mine')
    expect(await get('bob/film.bin')).toBe(1)
    expect(io.err()).toContain('--force')
    expect(bob.asked).toEqual([])
    expect(readFileSync(join(cwd, 'film.bin'), 'utf8')).toBe('mine')
    expect(await get('bob/film.bin', '--force')).toBe(0)
    expect(readFileSync(join(cwd, 'film.bin')).equals(film)).toBe(true)
  })

  it('replaces no device and no folder, and a link rather than where it leads', async () => {
    const { get, cwd } = stageAt(await homeWith(new Bob([file()])))
    expect(await get('bob/film.bin', '-f', '-o', '/dev/null')).toBe(0)
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true)
    mkdirSync(join(cwd, 'sub', 'film.bin'), { recursive: true })
    expect(await get('bob/film.bin', '-f', '-o', 'sub')).toBe(1)
    writeFileSync(join(cwd, 'mine'), 'mine')
    symlinkSync('mine', join(cwd, 'link'))
    expect(await get('bob/film.bin', '-o', 'link')).toBe(1)
    expect(await get('bob/film.bin', '-f', '-o', 'link')).toBe(0)
    expect(readFileSync(join(cwd, 'mine'), 'utf8')).toBe('mine')
  })

  it('says that the disk is full, and keeps what fits', async () => {
    const { get, cwd, files, io } = stageAt(await homeWith(new Bob([file()])))
    await leave(cwd, begun)
    const full = diskFailure(Object.assign(new Error('write'), { code: 'ENOSPC' }), 'film.bin.part')
    jest.spyOn(PartialFile.prototype, 'append').mockRejectedValue(full)
    expect(await get('bob/film.bin')).toBe(1)
    expect(io.err()).toMatch(/the disk is full.*100\.0 kB of 300\.0 kB is kept/)
    expect(files()).toEqual(kept)
  })

  it.each([
    ['as long as a file system takes', 'k'.repeat(251)],
    ['of 83 letters of three bytes', '映'.repeat(83)],
  ])('fetches a name %s, also in two runs, and leaves nothing beside it', async (_what, stem) => {
    const name = `${stem}.mp4`
    const bob = new Bob([breaking(100_000), status(500), file()])
    const { get, cwd, files } = stageAt(await homeWith(bob))
    expect(await get(`bob/${name}`)).toBe(1)
    expect(files()).toHaveLength(2)
    expect(await get(`bob/${name}`)).toBe(0)
    expect(bob.asked.at(-1)?.[1]).toBe('bytes=100000-')
    expect(files()).toEqual([name])
    expect(readFileSync(join(cwd, name)).equals(film)).toBe(true)
  })

  it('says what to do with a name that no file system here accepts', async () => {
    const { get, files, io } = stageAt(await homeWith(new Bob([file()])))
    expect(await get(`bob/${'k'.repeat(300)}.mp4`)).toBe(1)
    expect(io.err()).toMatch(/^error: the file system does not take a name as long as .* -o FILE\.\n$/)
    expect(files()).toEqual([])
  })

  it('reads no faster than the disk writes', async () => {
    const size = 64_000_000
    const piece = Buffer.alloc(64_000)
    let sent = 0
    const endless: RequestListener = (_req, res) => {
      res.writeHead(200, { etag: tag, 'content-length': size })
      const more = (): void => {
        while (sent < size && !res.closed) {
          sent += piece.length
          if (!res.write(piece)) return void res.once('drain', more)
        }
        res.end()
      }
      more()
    }
    const { get, io } = stageAt(await homeWith(new Bob([endless])))
    let taken = 0
    let ahead = 0
    const turn = (): Promise<void> => new Promise(resolve => void setImmediate(resolve))
    // A slow disk: bob has many turns for each piece that is written.
    jest.spyOn(PartialFile.prototype, 'append').mockImplementation(async bytes => {
      for (let turns = 0; turns < 20; turns++) await turn()
      taken += bytes.length
      ahead = Math.max(ahead, sent - taken)
      if (taken > size / 2) io.interrupt$.next()
    })
    expect(await get('bob/film.bin')).toBe(1)
    expect(taken).toBeGreaterThan(size / 2)
    // What two sockets of the system hold, which it sizes by itself.
    expect(ahead).toBeLessThan(size / 4)
  })
})

describe('get to stdout', () => {
  it('writes the bytes of the file and nothing else, and what there is to say to stderr', async () => {
    const { get, files, io } = stageAt(await homeWith(new Bob([file()])), true)
    expect(await get('bob/film.bin', '-o', '-')).toBe(0)
    expect(Buffer.from(io.out(), 'latin1').equals(film)).toBe(true)
    expect([io.err(), files()]).toEqual(['film.bin: 300.0 kB from bob\n', []])
  })

  it('keeps --json and failures away from the bytes', async () => {
    const home = await homeWith(new Bob([file(), status(404)]))
    const { get, io } = stageAt(home)
    expect(await get('bob/film.bin', '-o', '/dev/stdout', '--json')).toBe(0)
    expect(JSON.parse(io.err())).toMatchObject({ got: { file: '-', bytes: 300_000, resumedFrom: 0, etag: tag } })
    const failed = stageAt(home)
    expect(await failed.get('bob/film.bin', '-o', '-', '--json')).toBe(1)
    expect([failed.io.out(), JSON.parse(failed.io.err())]).toMatchObject(['', { error: { code: 'no-such-file' } }])
  })

  it.each<[string, RequestListener]>([
    ['with ranges', file()],
    ['at a server that knows none', (_req, res) => res.writeHead(200, { etag: tag }).end(film)],
  ])('goes on where a connection broke, %s', async (_what, rest) => {
    const bob = new Bob([breaking(100_000), rest])
    const { get, io } = stageAt(await homeWith(bob))
    expect(await get('bob/film.bin', '-o', '-')).toBe(0)
    expect(Buffer.from(io.out(), 'latin1').equals(film)).toBe(true)
  })

  it.each<[string, RequestListener, RequestListener, number, string]>([
    ['another version comes', breaking(100_000), file(film, '"two"'), 7, 'file-changed'],
    ['nothing tells the version', breaking(100_000, {}), file(film, undefined), 5, 'transfer-broken'],
  ])('writes no mix: it ends when %s', async (_what, first, then, exit, code) => {
    const { get, io } = stageAt(await homeWith(new Bob([first, then])))
    expect(await get('bob/film.bin', '-o', '-', '--json')).toBe(exit)
    expect(Buffer.from(io.out(), 'latin1').equals(begun)).toBe(true)
    expect(JSON.parse(io.err())).toMatchObject({ error: { code } })
  })

  it('ends quietly when its reader has enough', async () => {
    const { get, io } = stageAt(await homeWith(new Bob([file()])))
    jest.spyOn(io.stdout, 'writeAll').mockRejectedValue(new CommandFailure('output-closed', 'it is closed'))
    expect(await get('bob/film.bin', '-o', '-')).toBe(1)
    expect(io.err()).toBe('')
  })
})

describe('get without an announced length', () => {
  /** Sends for ever. */
  const endless: RequestListener = (_req, res) => {
    res.writeHead(200, { etag: tag })
    const more = (): void => {
      while (!res.closed && res.write(film));
      res.once('drain', more)
    }
    more()
  }

  it('takes no more than --max unasked, and says what to do', async () => {
    const { get, cwd, files, failure } = stageAt(await homeWith(new Bob([endless])))
    expect(await get('bob/film.bin', '--json', '--max', '2MB')).toBe(1)
    expect(failure()).toEqual({ code: 'too-large', message: expect.stringMatching(/more than 2\.0 MB/) })
    expect(failure().message).toContain('--max')
    expect(files()).toEqual(kept)
    expect(statSync(join(cwd, 'film.bin.part')).size).toBeLessThanOrEqual(2_000_000)
  })

  it('says at once what it takes at most', async () => {
    const { get, io } = stageAt(await homeWith(new Bob([endless])))
    afterBytes(undefined, () => io.interrupt$.next())
    expect(await get('bob/film.bin')).toBe(1)
    expect(io.err()).toContain(
      'bob does not announce the size of film.bin. At most 1.0 GB will be downloaded without asking (--max).',
    )
  })

  it('asks on a terminal whether to go on', async () => {
    const { io, cwd } = stageAt('')
    const home = await homeWith(new Bob([endless]))
    const asked = fakeIo(cwd, { interactive: true, answers: ['y', 'y', 'n'] })
    expect(await run(['get', 'bob/film.bin', '--max', '500kB', '--home', home], asked)).toBe(1)
    expect(asked.questions.map(({ message }) => /than (.*?) of/.exec(message)?.[1])).toEqual([
      '500.0 kB',
      '1.0 MB',
      '2.0 MB',
    ])
    expect(asked.questions[0]?.complain('perhaps')).toBe('y or n')
    expect(statSync(join(cwd, 'film.bin.part')).size).toBeLessThanOrEqual(2_000_000)
    expect(io.questions).toEqual([])
  })

  it('compares an announced size with --max alone', async () => {
    const home = await homeWith(new Bob([file()]))
    const refused = stageAt(home)
    expect(await refused.get('bob/film.bin', '--max', '200kB')).toBe(1)
    expect(refused.io.err()).toMatch(/film\.bin from bob is 300\.0 kB, more than 200\.0 kB\..*--max/)
    expect(refused.files()).toEqual([])
    expect(await stageAt(home).get('bob/film.bin', '--max', '300kB')).toBe(0)
  })
})
