import { describe, expect, it } from '@jest/globals'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { resolveHome } from '../../src/cli/home.js'
import { temporaryFolders } from './support/temporary.js'

const temporary = temporaryFolders()

describe('resolveHome', () => {
  it('prefers the flag, then a metadata.json here, then the variable, then the platform', async () => {
    const cwd = temporary()
    const env = { LIGHTHOUSE_HOME: 'of-variable' }
    expect(await resolveHome({ cwd, env: {} }, undefined)).toMatch(/lighthouse-peer/)
    expect(await resolveHome({ cwd, env }, undefined)).toBe(join(cwd, 'of-variable'))
    writeFileSync(join(cwd, 'metadata.json'), '')
    expect(await resolveHome({ cwd, env }, undefined)).toBe(cwd)
    expect(await resolveHome({ cwd, env }, 'of-flag')).toBe(join(cwd, 'of-flag'))
  })
})
