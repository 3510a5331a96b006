import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { request } from 'node:http'
import { afterEach, describe, expect, it } from '@jest/globals'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { cleanUp, startUpstream } from '../../support/proxy-fixture.node.js'
import { startTunnel } from '../../support/tunnel-fixture.node.js'

afterEach(cleanUp)

const film = randomBytes(3_000_000)

interface Asked {
  readonly range: string | undefined
  readonly condition: string | undefined
}

/**
 * A file whose transfer breaks after so many bytes, in each of the first answers. `etag` and `body` may change between them.
 */
function breaking(
  cuts: number[],
  asked: Asked[],
  etag = (): string | undefined => '"one"',
  body = (): Buffer => film,
  cutOff = (res: ServerResponse): unknown => res.destroy(),
) {
  return (req: IncomingMessage, res: ServerResponse): void => {
    const { range, 'if-range': condition } = req.headers
    asked.push({ range, condition: condition as string | undefined })
    const tag = etag()
    const bytes = body()
    const match = /^bytes=(\d+)-(\d*)$/.exec(range ?? '')
    const applies = match !== null && (condition === undefined || condition === tag)
    const start = applies ? Number(match[1]) : 0
    const end = applies && match[2] !== '' ? Number(match[2]) : bytes.length - 1
    res.writeHead(applies ? 206 : 200, {
      'content-type': 'video/mp4',
      'content-length': end - start + 1,
      ...(tag === undefined ? {} : { etag: tag }),
      ...(applies ? { 'content-range': `bytes ${start}-${end}/${bytes.length}` } : {}),
    })
    const cut = cuts.shift()
    if (cut === undefined) return void res.end(bytes.subarray(start, end + 1))
    res.write(bytes.subarray(start, start + cut), () => setImmediate(() => cutOff(res)))
  }
}

/** What a client gets, and whether it is whole. */
function download(
  port: number,
  headers: Record<string, string> = {},
): Promise<{ body: Buffer; status: number; whole: boolean }> {
  return new Promise((resolve, reject) => {
    let answered = false
    request({ host: '127.0.0.1', port, path: '/film.mp4', headers, agent: false }, res => {
      answered = true
      const chunks: Buffer[] = []
      res.on('data', (chunk: Buffer) => chunks.push(chunk))
      res.on('error', () => undefined)
      res.on('close', () => resolve({ body: Buffer.concat(chunks), status: res.statusCode!, whole: res.complete }))
    })
      // After the answer's head its own end says it.
      .on('error', error => !answered && reject(error))
      .end()
  })
}

async function tunnelTo(listener: Parameters<typeof startUpstream>[0], failures: LighthouseError[] = []) {
  const { port } = await startUpstream(listener)
  return startTunnel(() => port, { failure: () => failures.shift() })
}

describe('an answer that breaks in the middle', () => {
  it('goes on from the very byte, as often as it breaks', async () => {
    const asked: Asked[] = []
    const { port } = await tunnelTo(breaking([1_000_000, 500_000, 7], asked))
    const { body, status, whole } = await download(port)
    expect([status, whole, body.equals(film)]).toEqual([200, true, true])
    expect(asked).toEqual([
      { range: undefined, condition: undefined },
      { range: 'bytes=1000000-', condition: '"one"' },
      { range: 'bytes=1500000-', condition: '"one"' },
      { range: 'bytes=1500007-', condition: '"one"' },
    ])
  }, 20_000)

  it('is asked for once at a time, when what goes on breaks as well and the peer is away for longer', async () => {
    const asked: Asked[] = []
    const offline = new LighthouseError('peer-offline', 'gone')
    const failures = [undefined, undefined, offline, offline, offline] as LighthouseError[]
    const reset = (res: ServerResponse): unknown => res.socket!.resetAndDestroy()
    const { port } = await tunnelTo(breaking([1_000_000, 500_000], asked, undefined, undefined, reset), failures)
    const { body, whole } = await download(port)
    expect([whole, body.equals(film)]).toEqual([true, true])
    expect(asked).toHaveLength(3)
  }, 20_000)

  it('goes on within the range that was asked for', async () => {
    const asked: Asked[] = []
    const { port } = await tunnelTo(breaking([100_000], asked))
    const { body, status, whole } = await download(port, { range: 'bytes=500-2000499', 'if-none-match': '"x"' })
    expect([status, whole, body.equals(film.subarray(500, 2_000_500))]).toEqual([206, true, true])
    expect(asked[1]).toEqual({ range: 'bytes=100500-2000499', condition: '"one"' })
  })

  it('waits for a peer that is away for a moment', async () => {
    const asked: Asked[] = []
    const away = [
      undefined,
      new LighthouseError('peer-offline', 'gone'),
      new LighthouseError('connect-timeout', 'late'),
    ]
    const { port } = await tunnelTo(breaking([1_000_000], asked), away as LighthouseError[])
    const { body, whole } = await download(port)
    expect([whole, body.equals(film)]).toEqual([true, true])
  })

  it('breaks visibly when the file has changed', async () => {
    let version = 0
    const other = randomBytes(film.length)
    const listener = breaking(
      [1_000_000],
      [],
      () => `"${version}"`,
      () => (version++ === 0 ? film : other),
    )
    const { port } = await tunnelTo(listener)
    const { body, whole } = await download(port)
    expect([whole, body.equals(film.subarray(0, body.length)), body.length < film.length]).toEqual([false, true, true])
  })

  it.each<[string, () => string | undefined]>([
    ['has no validator', () => undefined],
    ['has a weak one', () => 'W/"one"'],
  ])('breaks visibly when it %s', async (_what, etag) => {
    const asked: Asked[] = []
    const { port } = await tunnelTo(breaking([1_000_000], asked, etag))
    const { whole } = await download(port)
    expect([whole, asked.length]).toEqual([false, 1])
  })

  it('breaks visibly when its place was needed for another peer', async () => {
    const asked: Asked[] = []
    const evicted = [undefined, new LighthouseError('too-many-connections', 'evicted')] as LighthouseError[]
    const { port } = await tunnelTo(breaking([1_000_000], asked), evicted)
    const { whole } = await download(port)
    expect([whole, asked.length]).toEqual([false, 1])
  })

  it('is not asked for again when its client has gone', async () => {
    const offline = new LighthouseError('peer-offline', 'gone')
    const failures = [undefined, offline, undefined, offline, undefined] as LighthouseError[]
    const tunnel = await tunnelTo(breaking([1_000_000, 1_000_000], []), failures)
    const options = { host: '127.0.0.1', port: tunnel.port, path: '/film.mp4', agent: false } as const
    const req = request(options, res => res.resume()).on('error', () => undefined)
    req.end()
    while (tunnel.streams() < 2) await new Promise(setImmediate)
    req.destroy()
    await new Promise(resolve => req.once('close', resolve))
    // Another one breaks and goes on meanwhile: two seconds, and its own three streams.
    expect((await download(tunnel.port)).whole).toBe(true)
    expect(tunnel.streams()).toBe(5)
  })
})
