import { describe, expect, it } from '@jest/globals'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { diskFailure } from '../../../src/cli/disk-failure.js'
import { PartialFile } from '../../../src/cli/get/partial-file.js'
import { temporaryFolders } from '../support/temporary.js'

const temporary = temporaryFolders()
const address = 'lighthouse://bob/film.bin'
const version = { etag: '"one"', size: 6 }
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A target of which the first three bytes are there. */
async function halfway(): Promise<string> {
  const target = join(temporary(), 'film.bin')
  const partial = await PartialFile.open(target, address, process.pid)
  await partial.begin(version)
  await partial.append(bytes('abc'))
  await partial.close()
  return target
}

describe('PartialFile', () => {
  it('gets its name when all of it is there', async () => {
    const target = join(temporary(), 'film.bin')
    const partial = await PartialFile.open(target, address, process.pid)
    expect(partial.held).toBeUndefined()
    await partial.begin(version)
    await partial.append(bytes('abc'))
    expect(readdirSync(join(target, '..'))).toEqual(['film.bin.part', 'film.bin.part.json'])
    await expect(partial.finish(false)).rejects.toMatchObject({ code: 'not-as-announced' })
    await partial.append(bytes('def'))
    await partial.finish(false)
    await partial.close()
    expect(readdirSync(join(target, '..'))).toEqual(['film.bin'])
    expect(readFileSync(target, 'utf8')).toBe('abcdef')
  })

  it('knows in the next run what is there', async () => {
    const target = await halfway()
    const partial = await PartialFile.open(target, address, process.pid)
    expect(partial.held).toEqual({ from: 3, version })
    await partial.append(bytes('def'))
    await partial.finish(false)
    expect(readFileSync(target, 'utf8')).toBe('abcdef')
  })

  it.each<[string, (target: string) => void]>([
    ['nothing held', target => writeFileSync(`${target}.part`, '')],
    ['more bytes than the version has', target => writeFileSync(`${target}.part`, 'abcdefg')],
    [
      'no strong tag',
      target => writeFileSync(`${target}.part.json`, JSON.stringify({ address, etag: 'W/"one"', size: 6 })),
    ],
  ])('begins anew with %s', async (_what, change) => {
    const target = await halfway()
    change(target)
    const partial = await PartialFile.open(target, address, process.pid)
    expect([partial.held, partial.length]).toEqual([undefined, 0])
    expect(readFileSync(`${target}.part`, 'utf8')).toBe('')
    await partial.close()
  })

  it('leaves nothing behind when nothing came', async () => {
    const target = join(temporary(), 'film.bin')
    const partial = await PartialFile.open(target, address, process.pid)
    await partial.close()
    await partial.close()
    expect(readdirSync(join(target, '..'))).toEqual([])
    await expect(partial.append(bytes('x'))).rejects.toMatchObject({ code: 'store-failed' })
  })

  it.each(['', '{', '[]', '{"address":7}'])('touches no partial file of another program, beside %j', async note => {
    const target = join(temporary(), 'film.bin')
    writeFileSync(`${target}.part`, 'theirs')
    if (note !== '') writeFileSync(`${target}.part.json`, note)
    await expect(PartialFile.open(target, address, process.pid)).rejects.toMatchObject({ code: 'file-exists' })
    expect(readFileSync(`${target}.part`, 'utf8')).toBe('theirs')
    expect(existsSync(`${target}.part.json`)).toBe(note !== '')
  })

  it('drops nothing of another file of that name, which was paid for', async () => {
    const target = await halfway()
    await expect(PartialFile.open(target, 'lighthouse://carol/film.bin', process.pid)).rejects.toMatchObject({
      code: 'file-exists',
      message: expect.stringContaining(`a part of ${address}`),
    })
    expect(readFileSync(`${target}.part`, 'utf8')).toBe('abc')
  })

  it('follows no link, and takes no folder for a file', async () => {
    const target = join(temporary(), 'film.bin')
    const victim = join(temporary(), 'victim')
    writeFileSync(victim, '')
    symlinkSync(victim, `${target}.part`)
    await expect(PartialFile.open(target, address, process.pid)).rejects.toMatchObject({ code: 'store-failed' })
    const other = join(temporary(), 'film.bin')
    mkdirSync(`${other}.part`)
    await expect(PartialFile.open(other, address, process.pid)).rejects.toMatchObject({ code: 'store-failed' })
  })

  it('is written by one process at a time, and taken over from one that is gone', async () => {
    const target = await halfway()
    const note = JSON.parse(readFileSync(`${target}.part.json`, 'utf8')) as object
    writeFileSync(`${target}.part.json`, JSON.stringify({ ...note, pid: process.ppid }))
    await expect(PartialFile.open(target, address, process.pid)).rejects.toThrow(`process ${process.ppid}`)
    writeFileSync(`${target}.part.json`, JSON.stringify({ ...note, pid: 2 ** 30 }))
    const partial = await PartialFile.open(target, address, process.pid)
    expect(partial.held).toEqual({ from: 3, version })
    expect(JSON.parse(readFileSync(`${target}.part.json`, 'utf8'))).toMatchObject({ pid: process.pid })
    await partial.close()
    expect(JSON.parse(readFileSync(`${target}.part.json`, 'utf8'))).toMatchObject({ pid: 0 })
  })

  it('goes to one of several that begin at once', async () => {
    const target = join(temporary(), 'film.bin')
    const tries = [process.pid, process.ppid].map(pid => PartialFile.open(target, address, pid))
    const results = await Promise.allSettled(tries)
    const refused = results.filter(result => result.status === 'rejected')
    for (const result of results) if (result.status === 'fulfilled') await result.value.close()
    expect(refused).toMatchObject([{ reason: { code: 'file-exists' } }])
    expect(readdirSync(join(target, '..'))).toEqual([])
  })

  it('leaves nothing behind when it cannot be opened', async () => {
    const folder = temporary()
    const target = join(folder, 'film.bin')
    // Somebody's folder stands where the note would go.
    mkdirSync(`${target}.part.json`)
    await expect(PartialFile.open(target, address, process.pid)).rejects.toMatchObject({ code: 'store-failed' })
    expect(readdirSync(folder)).toEqual(['film.bin.part.json'])
  })

  it('takes the name of nobody else, unless it is to', async () => {
    const target = await halfway()
    const partial = await PartialFile.open(target, address, process.pid)
    await partial.append(bytes('def'))
    writeFileSync(target, 'theirs')
    await expect(partial.finish(false)).rejects.toMatchObject({ code: 'file-exists' })
    expect(readFileSync(target, 'utf8')).toBe('theirs')
    expect(readFileSync(`${target}.part`, 'utf8')).toBe('abcdef')
    await partial.finish(true)
    expect(readFileSync(target, 'utf8')).toBe('abcdef')
  })
})

describe('diskFailure', () => {
  it('says in words that the disk is full, and what else is wrong', () => {
    for (const code of ['ENOSPC', 'EDQUOT']) {
      expect(diskFailure(Object.assign(new Error('write'), { code }), '/x/a.part')).toMatchObject({
        code: 'store-failed',
        message: 'the disk is full: there is no room for "/x/a.part"',
      })
    }
    expect(diskFailure(new Error('EIO: i/o error'), '/x/a.part')).toMatchObject({
      message: 'cannot write "/x/a.part": EIO: i/o error',
    })
  })
})
