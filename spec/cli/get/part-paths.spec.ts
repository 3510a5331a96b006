import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { basename, dirname } from 'node:path'
import { partPaths } from '../../../src/cli/get/part-paths.js'

const namesOf = (name: string): readonly string[] => {
  const { part, note, temporary } = partPaths(`/folder/${name}`)
  return [part, note, temporary('01234567')]
}

/** Names that a file system with names of 255 bytes takes. */
const anyName = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 255 })
  .map(text => text.replaceAll(/[/\0]/g, '_'))
  .filter(text => Buffer.byteLength(text) <= 255 && text !== '.' && text !== '..')

describe('partPaths', () => {
  it('are the names of before for names that leave room', () => {
    for (const name of ['film.mp4', 'k'.repeat(237), '映'.repeat(79)]) {
      expect(namesOf(name)).toEqual([
        `/folder/${name}.part`,
        `/folder/${name}.part.json`,
        `/folder/${name}.part.01234567.tmp`,
      ])
    }
  })

  it('fit 255 bytes, are whole characters, and lie in the same folder, whatever the name', () => {
    fc.assert(
      fc.property(anyName, name => {
        for (const path of namesOf(name)) {
          expect(Buffer.byteLength(basename(path))).toBeLessThanOrEqual(255)
          expect(Buffer.from(path).toString()).toBe(path)
          expect([dirname(path), /^.+\.part(\.json|\.01234567\.tmp)?$/s.test(basename(path))]).toEqual([
            '/folder',
            true,
          ])
        }
      }),
    )
  })

  it('are others for names that differ at their ends only', () => {
    const long = 'k'.repeat(251)
    const parts = ['.mp4', '.mkv', '.mp3', '.ogg'].map(ending => partPaths(`/folder/${long}${ending}`).part)
    expect(new Set(parts).size).toBe(4)
  })
})
