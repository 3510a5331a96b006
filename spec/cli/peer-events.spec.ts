import { describe, expect, it } from '@jest/globals'
import { readdirSync } from 'node:fs'
import { createOutput } from '../../src/cli/output.js'
import { createLog } from '../../src/cli/log.js'
import type { Context } from '../../src/cli/commands/context.js'
import { eventTeller } from '../../src/cli/commands/peer-events.js'
import { LighthouseError } from '../../src/protocol/errors.js'
import { fakeIo } from './support/fake-io.js'
import { temporaryFolders } from './support/temporary.js'

const temporary = temporaryFolders()

function scene({ json = false } = {}) {
  const home = temporary()
  const io = fakeIo(home)
  const context = { io, home, output: createOutput(io, json), globals: {} } as unknown as Context
  return { home, io, tell: eventTeller(context, createLog(io)) }
}

const lines = (text: string): readonly string[] => text.split('\n').filter(line => line !== '')

describe('what a running peer tells', () => {
  it('warns in its log of a look that came to nothing, for each reason once', () => {
    const { io, tell } = scene()
    const away = (message: string): void =>
      tell({ type: 'ledger-postponed', reason: new LighthouseError('hub-unreachable', message) })
    for (const message of ['down', 'down', 'still down', 'down']) away(message)
    expect(lines(io.err()).map(line => JSON.parse(line) as object)).toMatchObject([
      { level: 40, code: 'hub-unreachable', message: 'down', msg: 'ledger-postponed' },
      { message: 'still down' },
      { message: 'down' },
    ])
  })

  it('warns once in its log that another WebRTC implementation is used', () => {
    const { io, tell } = scene()
    tell({ type: 'engine-missing', reason: new LighthouseError('invalid-option', 'no binary') })
    expect(lines(io.err()).map(line => JSON.parse(line) as object)).toMatchObject([
      { level: 40, used: 'wrtc', message: 'no binary', msg: 'engine-missing' },
    ])
  })

  it('says plainly that the ledger cannot be checked', () => {
    const reason = new LighthouseError('key-changed', 'the hub shows another key')
    const [plain, json] = [scene(), scene({ json: true })]
    for (const { tell } of [plain, json]) tell({ type: 'ledger-unchecked', hub: 'key', reason })
    const [logged, notice] = lines(plain.io.err())
    expect(JSON.parse(logged!)).toMatchObject({ level: 50, msg: 'ledger-unchecked', hub: 'key', code: 'key-changed' })
    expect(notice).toMatch(/cannot be checked, so nobody knows whether it is honest: the hub shows another key/)
    expect(JSON.parse(json.io.out())).toEqual({
      type: 'ledger-unchecked',
      code: 'key-changed',
      message: reason.message,
    })
  })

  it('keeps evidence and says where', () => {
    const { home, io, tell } = scene()
    tell({ type: 'evidence', kind: 'fork', hub: 'key', message: 'two heads', statements: [], lines: [] })
    const [name] = readdirSync(home)
    expect(name).toMatch(/^evidence-.*-fork\.json$/)
    expect(io.err()).toContain(`The hub is not honest: two heads. The evidence is in ${home}`)
  })

  it('accuses nobody of what may be an old answer', () => {
    const { io, tell } = scene()
    tell({ type: 'evidence', kind: 'rollback', hub: 'key', message: 'behind', statements: [], lines: [] })
    expect(io.err()).toContain('The hub may not be honest: behind.')
  })

  it('says of each kind once that no more of it is kept', () => {
    const { home, io, tell } = scene()
    const evidence = { kind: 'fork', hub: 'key', statements: [], lines: [] } as const
    for (let count = 0; count < 102; count += 1) tell({ type: 'evidence', ...evidence, message: `number ${count}` })
    tell({ type: 'evidence-left-out', hub: 'key', kind: 'fork' })
    expect(readdirSync(home)).toHaveLength(100)
    expect(io.err().match(/It is not kept: a hundred files/g)).toHaveLength(1)
    expect(io.err()).toContain('The hub is not honest: number 101.')
    expect(io.err()).toContain('More of the kind "fork" was found')
  })
})
