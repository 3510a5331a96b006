import { expect, it } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describeIf, hasGoSmux } from '../support/requires.js'
import { buildGoProgram, goBuildMs, goReason } from './support/go-program.js'

const goldenFile = new URL('../../../spec/vectors/smux.json', import.meta.url)

describeIf(hasGoSmux(), goReason)('the golden frames', () => {
  it(
    'are what the installed xtaci/smux writes today',
    async () => {
      const program = await buildGoProgram()
      const written = execFileSync(program.path, ['vectors'], { encoding: 'utf8' })
      expect(JSON.parse(written)).toEqual(JSON.parse(readFileSync(goldenFile, 'utf8')))
    },
    goBuildMs,
  )
})
