import { describe, expect, it } from '@jest/globals'
import { readdirSync } from 'node:fs'
import { createOutput } from '../../src/cli/output.js'
import { createLog } from '../../src/cli/log.js'
import type { LogLevel } from '../../src/cli/options.js'
import type { Context } from '../../src/cli/commands/context.js'
import { eventReporter } from '../../src/cli/commands/peer-events.js'
import { LighthouseError } from '../../src/protocol/errors.js'
import { fakeIo } from './support/fake-io.js'
import { temporaryFolders } from './support/temporary.js'

const temporary = temporaryFolders()

function scene({ json = false, level }: { json?: boolean; level?: LogLevel } = {}) {
  const home = temporary()
  const io = fakeIo(home)
  const context = { io, home, output: createOutput(io, json), globals: {} } as unknown as Context
  return { home, io, tell: eventReporter(context, createLog(io, level)) }
}

const lines = (text: string): readonly string[] => text.split('\n').filter(line => line !== '')

describe('what a running peer logs and shows', () => {
  it('warns once in its log that another WebRTC implementation is used', () => {
    const { io, tell } = scene()
    tell({ type: 'engine-missing', reason: new LighthouseError('invalid-option', 'no binary') })
    expect(lines(io.err()).map(line => JSON.parse(line) as object)).toMatchObject([
      { level: 40, used: 'wrtc', message: 'no binary', msg: 'engine-missing' },
    ])
  })

  it('logs a defect with its place, wherever it shows, and other ends without', () => {
    const { io, tell } = scene()
    const cause = new TypeError('x is not a function')
    const defect = new LighthouseError('internal', 'a defect in this program: x is not a function', {}, { cause })
    tell({ type: 'ended', with: 'bob', reason: defect })
    tell({ type: 'defect', reason: defect })
    tell({ type: 'receipts-failed', reason: defect })
    tell({ type: 'receipts-failed', reason: new LighthouseError('store-failed', 'the disk is full', {}, { cause }) })
    const [ended, told, store, disk] = lines(io.err()).map(line => JSON.parse(line) as Record<string, unknown>)
    expect([ended, told, store]).toMatchObject([
      { level: 50, msg: 'ended', with: 'bob', code: 'internal', stack: cause.stack },
      { level: 50, msg: 'defect', code: 'internal', stack: cause.stack },
      { level: 50, msg: 'receipts-failed', code: 'internal', stack: cause.stack },
    ])
    expect(disk).not.toHaveProperty('stack')
  })

  it('logs streams that were reset: an everyday one for who asks for it, a limit for everybody', () => {
    const [quiet, chatty] = [scene(), scene({ level: 'info' })]
    for (const { tell } of [quiet, chatty]) {
      const told = { type: 'streams-reset', with: 'bob', session: 's', count: 7 } as const
      tell({ ...told, reason: new LighthouseError('stream-reset', 'local connection: read ECONNRESET') })
      tell({ ...told, reason: new LighthouseError('stream-overrun', 'the reader fell behind') })
    }
    const codes = (text: string): unknown[] => lines(text).map(line => (JSON.parse(line) as { code: string }).code)
    expect(codes(quiet.io.err())).toEqual(['stream-overrun'])
    expect(codes(chatty.io.err())).toEqual(['stream-reset', 'stream-overrun'])
    expect(JSON.parse(lines(chatty.io.err())[0]!)).toMatchObject({
      ...{ level: 30, msg: 'streams-reset', with: 'bob', session: 's', count: 7 },
      message: 'local connection: read ECONNRESET',
    })
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

  it.each(['rollback', 'forged'] as const)('accuses nobody of a %s, which may have an innocent cause', kind => {
    const { io, tell } = scene()
    tell({ type: 'evidence', kind, hub: 'key', message: 'behind', statements: [], lines: [] })
    expect(io.err()).toContain('The hub may not be honest: behind.')
  })

  it('says of each kind once that no more of it is kept', () => {
    const { home, io, tell } = scene()
    const evidence = { kind: 'fork', hub: 'key', statements: [], lines: [] } as const
    for (let count = 0; count < 102; count += 1) tell({ type: 'evidence', ...evidence, message: `number ${count}` })
    tell({ type: 'evidence-left-out', hub: 'key', kind: 'fork' })
    expect(readdirSync(home)).toHaveLength(100)
    expect(io.err().match(/It was not stored: there are already a hundred files/g)).toHaveLength(1)
    expect(io.err()).toContain('The hub is not honest: number 101.')
    expect(io.err()).toContain('There are more findings of the kind "fork"')
  })
})
