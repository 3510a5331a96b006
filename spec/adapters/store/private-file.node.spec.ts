import { describe, expect, it } from '@jest/globals'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createPrivateFile, writePrivateFile } from '../../../src/adapters/store/private-file.node.js'
import { temporaryFolders } from '../../cli/support/temporary.js'
import { describeIf } from '../../support/requires.js'

const temporary = temporaryFolders()
const module = new URL('../../../src/adapters/store/private-file.node.js', import.meta.url).href

describe('a private file', () => {
  it.each([
    ['as long as names may be', 'k'.repeat(255)],
    ['of 85 letters of three bytes', '映'.repeat(85)],
  ])('may have a name %s', (_what, name) => {
    const folder = temporary()
    const path = join(folder, name)
    expect(createPrivateFile(path, 'one', 'store-failed')).toBe(true)
    writePrivateFile(path, 'two', 'store-failed')
    expect([readdirSync(folder), readFileSync(path, 'utf8')]).toEqual([[name], 'two'])
  })
})

describeIf(process.platform !== 'win32', 'needs limits as Unix has them')(
  'a private file that cannot be written',
  () => {
    it.each(['writePrivateFile', 'createPrivateFile'])('leaves nothing behind: %s', name => {
      const folder = temporary()
      const code = `(await import('${module}')).${name}('${join(folder, 'file')}', 'text', 'store-failed')`
      const argv = ['-c', 'ulimit -f 0; exec "$0" --input-type=module --eval "$1"', process.execPath, code]
      const { status, stderr } = spawnSync('sh', argv, { encoding: 'utf8' })
      expect([status, stderr]).toEqual([1, expect.stringMatching(/cannot write ".*file": EFBIG/)])
      expect(readdirSync(folder)).toEqual([])
    })
  },
)
