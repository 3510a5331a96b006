import { createServer } from 'node:net'
import { once } from 'node:events'
import { describe, expect, it } from '@jest/globals'
import { processFigures } from '../../../src/adapters/machine/process-figures.node.js'

describe('processFigures', () => {
  it('counts what keeps the process alive, and its memory', async () => {
    const before = processFigures()
    const servers = await Promise.all(
      [1, 2, 3].map(async () => {
        const server = createServer().listen(0, '127.0.0.1')
        await once(server, 'listening')
        return server
      }),
    )
    expect(processFigures().activeResources).toBeGreaterThanOrEqual(before.activeResources + 2)
    for (const server of servers) server.close()
    const { rss, heapUsed, external } = before.memory
    expect([rss, heapUsed, external].every(bytes => Number.isInteger(bytes) && bytes > 0)).toBe(true)
    expect(rss).toBeGreaterThan(heapUsed)
  })
})
