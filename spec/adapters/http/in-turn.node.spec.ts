import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from '@jest/globals'
import { inTurn } from '../../../src/adapters/http/in-turn.node.js'
import { exchangeRaw } from '../../support/http-client.node.js'
import { cleanUp, onCleanUp, startUpstream } from '../../support/proxy-fixture.node.js'
import { shareFolder } from '../../support/shared-folder.node.js'

afterEach(cleanUp)

const get = (port: number, path: string, lines: readonly string[] = []): string =>
  [`GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, ...lines, '', ''].join('\r\n')

/** Sends so many requests in one piece, the last of which closes. */
const together = (port: number, count: number, path: (index: number) => string): Promise<string> =>
  exchangeRaw(
    port,
    Array.from({ length: count }, (_, index) =>
      get(port, path(index), index === count - 1 ? ['Connection: close'] : []),
    ).join(''),
  )

describe('inTurn', () => {
  it.each([1, 9, 10, 2_000])('answers %d requests of one connection, one after the other', async count => {
    let open = 0
    let most = 0
    const { port } = await startUpstream(
      inTurn((req, res) => {
        open += 1
        most = Math.max(most, open)
        setImmediate(() => {
          open -= 1
          res.end(`<${req.url}>`)
        })
      }),
    )
    const text = await together(port, count, index => `/${index}`)
    expect(text.match(/<\/\d+>/g)).toEqual(Array.from({ length: count }, (_, index) => `</${index}>`))
    expect(most).toBe(1)
  })

  it('answers connections beside each other', async () => {
    const answers: (() => void)[] = []
    const { port } = await startUpstream(
      inTurn((_req, res) => {
        answers.push(() => void res.end('ok'))
        if (answers.length === 3) answers.forEach(answer => answer())
      }),
    )
    const texts = await Promise.all([1, 2, 3].map(() => together(port, 1, () => '/')))
    for (const text of texts) expect(text).toMatch(/ok/)
  })

  it('reads the body of a request that waited', async () => {
    const { port } = await startUpstream(
      inTurn((req, res) => {
        let bytes = 0
        req.on('data', (chunk: Buffer) => (bytes += chunk.length))
        req.on('end', () => res.end(`<${bytes}>`))
      }),
    )
    const sizes = Array.from({ length: 30 }, (_, index) => 10_000 + index)
    const puts = sizes.map(
      size => `PUT / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`,
    )
    const text = await exchangeRaw(port, puts.join('') + get(port, '/', ['Connection: close']))
    expect(text.match(/<\d+>/g)).toEqual([...sizes, 0].map(size => `<${size}>`))
  })
})

describe('the data server', () => {
  it.each([9, 200])('answers %d requests sent at once', async count => {
    const share = await shareFolder(root => writeFile(join(root, 'film'), 'hello'))
    onCleanUp(() => share.stop())
    const text = await together(share.port, count, () => '/film')
    expect(text.match(/HTTP\/1\.1 200 /g)).toHaveLength(count)
  })
})
