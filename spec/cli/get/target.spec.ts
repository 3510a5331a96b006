import { describe, expect, it } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { createReadStream, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { targetOf } from '../../../src/cli/get/target.js'
import { run } from '../../../src/cli/program.js'
import { describeIf, findProgram } from '../../support/requires.js'
import { fakeIo } from '../support/fake-io.js'
import { httpServers, peerHomes } from '../support/peer-home.js'
import { temporaryFolders } from '../support/temporary.js'

const temporary = temporaryFolders()
const serve = httpServers()
const homeOf = peerHomes(temporary)

describe('targetOf', () => {
  it('knows stdout, files, folders and what cannot be taken back', () => {
    const cwd = temporary()
    mkdirSync(join(cwd, 'sub'))
    expect(targetOf(cwd, '-', 'film.mp4', false)).toEqual({ type: 'stdout' })
    expect(targetOf(cwd, '/dev/stdout', 'film.mp4', true)).toEqual({ type: 'stdout' })
    expect(targetOf(cwd, undefined, 'film.mp4', false)).toEqual({ type: 'file', path: join(cwd, 'film.mp4') })
    expect(targetOf(cwd, 'sub', 'film.mp4', false)).toEqual({ type: 'file', path: join(cwd, 'sub', 'film.mp4') })
    expect(targetOf(cwd, '/dev/null', 'film.mp4', false)).toEqual({ type: 'stream', path: '/dev/null' })
  })

  it('is no file that is there, unless it is to be replaced', () => {
    const cwd = temporary()
    writeFileSync(join(cwd, 'film.mp4'), '')
    expect(() => targetOf(cwd, undefined, 'film.mp4', false)).toThrow(/--force/)
    expect(targetOf(cwd, undefined, 'film.mp4', true)).toEqual({ type: 'file', path: join(cwd, 'film.mp4') })
  })
})

const mkfifo = findProgram(['mkfifo'])

describeIf(mkfifo, 'needs mkfifo')('get into a named pipe', () => {
  it('writes the bytes to its reader', async () => {
    const port = await serve((_req, res) => res.end('the film'))
    const home = await homeOf((_req, res) => res.writeHead(302, { location: `http://127.0.0.1:${port}/film` }).end())
    const cwd = temporary()
    execFileSync(mkfifo!, [join(cwd, 'pipe')])
    const read = text(createReadStream(join(cwd, 'pipe')))
    const io = fakeIo(cwd)
    expect(await run(['get', 'bob/film', '-o', 'pipe', '--home', home], io)).toBe(0)
    expect(await read).toBe('the film')
    expect(io.out()).toBe('pipe: 8 B from bob\n')
  })

  it('ends quietly when its reader is gone', async () => {
    const bytes = Buffer.alloc(4_000_000)
    const port = await serve((_req, res) => res.writeHead(200, { 'content-length': bytes.length }).end(bytes))
    const home = await homeOf((_req, res) => res.writeHead(302, { location: `http://127.0.0.1:${port}/film` }).end())
    const cwd = temporary()
    execFileSync(mkfifo!, [join(cwd, 'pipe')])
    const reader = createReadStream(join(cwd, 'pipe'))
    reader.once('data', () => reader.destroy())
    const io = fakeIo(cwd)
    expect(await run(['get', 'bob/film', '-o', 'pipe', '--home', home], io)).toBe(1)
    expect(io.err()).toBe('')
  })
})
