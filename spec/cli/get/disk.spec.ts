/**
 * `get` on a disk that takes no more: the command line in a process of its own, with a limit of the system's or a small file
 * system of its own.
 */
import { describe, expect, it } from '@jest/globals'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { patternBytes } from '../../support/pattern.js'
import { describeIf, findProgram } from '../../support/requires.js'
import { httpServers, peerHomes } from '../support/peer-home.js'
import { temporaryFolders } from '../support/temporary.js'

const temporary = temporaryFolders()
const serve = httpServers()
const homeOf = peerHomes(temporary)
const main = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url))
const film = Buffer.from(patternBytes(1, 0, 2_000_000))

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs a line of shell in which GET is the command that fetches the film. */
async function shell(cwd: string, program: readonly [string, ...string[]], line: string): Promise<Ended> {
  const port = await serve((req, res) => {
    const from = Number(/^bytes=(\d+)-$/.exec(req.headers.range ?? '')?.[1] ?? 0)
    const range = { 'content-range': `bytes ${from}-${film.length - 1}/${film.length}` }
    res.writeHead(from === 0 ? 200 : 206, {
      etag: '"one"',
      'content-length': film.length - from,
      ...(from > 0 && range),
    })
    res.end(film.subarray(from))
  })
  const home = await homeOf((_req, res) => res.writeHead(302, { location: `http://127.0.0.1:${port}/film.bin` }).end())
  const get = `'${process.execPath}' '${main}' get bob/film.bin --home '${home}'`
  const [name, ...argv] = program
  const child = spawn(name, [...argv, line.replaceAll('GET', get)], {
    cwd,
    env: { PATH: process.env['PATH'], NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: child.exitCode, out, err }
}

describeIf(process.platform !== 'win32', 'needs limits as Unix has them')('with a limit on the size of files', () => {
  it('leaves nothing behind where not even the note can be written', async () => {
    const cwd = temporary()
    const { code, err } = await shell(cwd, ['sh', '-c'], 'ulimit -f 0; exec GET')
    expect([code, err]).toEqual([1, expect.stringMatching(/^error: "\S*film\.bin\.part" is larger [^\n]+\n$/)])
    expect(readdirSync(cwd)).toEqual([])
  })

  it('says so once, keeps what fits, and goes on where it is lifted', async () => {
    const cwd = temporary()
    const { code, err } = await shell(cwd, ['sh', '-c'], 'ulimit -f 1000; exec GET')
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/^error: "\S*film\.bin\.part" is larger [^\n]+ is kept in [^\n]+\n$/),
    ])
    expect(readdirSync(cwd)).toEqual(['film.bin.part', 'film.bin.part.json'])
    expect(await shell(cwd, ['sh', '-c'], 'exec GET')).toMatchObject({ code: 0 })
    expect(readFileSync(join(cwd, 'film.bin')).equals(film)).toBe(true)
  })
})

const unshare = findProgram(['unshare'])
const ownNamespace = ['-rm', 'sh', '-c'] as const
const canMount =
  unshare !== undefined && spawnSync(unshare, [...ownNamespace, 'mount -t tmpfs t /mnt && umount /mnt']).status === 0

describeIf(canMount, 'needs a file system of its own (unshare, tmpfs)')('with a small file system', () => {
  it.each([
    [
      'full in the middle',
      '',
      /^error: the disk is full: there is no room for "\S*film\.bin\.part"\. [^\n]+ is kept in [^\n]+\n$/,
      'film.bin.part film.bin.part.json ',
    ],
    [
      'full from the start',
      'head -c 1M /dev/zero >other 2>/dev/null;',
      /^error: the disk is full: [^\n]+\n$/,
      'other ',
    ],
  ])('that is %s it says so once', async (_what, before, words, left) => {
    const cwd = temporary()
    mkdirSync(join(cwd, 'disk'))
    const line = `mount -t tmpfs -o size=800k,nr_inodes=20 t disk && cd disk && { ${before} GET; echo $?; ls | tr '\\n' ' '; }`
    const { out, err } = await shell(cwd, [unshare!, ...ownNamespace], line)
    expect(err).toMatch(words)
    expect(out).toBe(`1\n${left}`)
  })
})

describe('stdout', () => {
  it('that is full is a failure', async () => {
    const { code, err } = await shell(temporary(), ['sh', '-c'], 'GET -o - >/dev/full')
    expect([code, err]).toEqual([1, 'error: the disk is full: there is no room for "stdout".\n'])
  })

  it('goes through a pipe whole', async () => {
    const cwd = temporary()
    const { code, err } = await shell(cwd, ['sh', '-c'], 'GET -o - | cat >copy')
    expect([code, err]).toEqual([0, 'film.bin: 2.0 MB from bob\n'])
    expect(readFileSync(join(cwd, 'copy')).equals(film)).toBe(true)
  })
})
