import { describe, expect, it } from '@jest/globals'
import { exitCodeFor, formatCheck, formatSummary } from '../../../src/cli/doctor/report.js'
import type { Check, CheckStatus } from '../../../src/protocol/doctor/check.js'
import type { ErrorCode } from '../../../src/protocol/errors.js'

const check = (status: CheckStatus, code?: ErrorCode): Check => ({ name: 'hub', status, detail: 'it is', code, ms: 0 })
const plain = (_style: string, text: string): string => text

describe('formatCheck', () => {
  it('is a line with columns, and what to do below the text', () => {
    expect(formatCheck({ ...check('ok'), ms: 12 }, plain)).toBe('ok    hub              it is  12 ms')
    expect(formatCheck({ ...check('fail'), next: 'Do it.' }, plain)).toBe(
      'fail  hub              it is\n                       Do it.',
    )
  })

  it('shows nothing that would act on a terminal', () => {
    expect(formatCheck({ ...check('warn'), detail: '\u001b[2J', next: 'a\u0007' }, plain)).not.toMatch(/[\u001b\u0007]/)
  })
})

describe('formatSummary', () => {
  it.each([
    [['ok', 'skip'], 'Everything works.'],
    [['ok', 'warn'], 'It works, with 1 warning.'],
    [['fail', 'warn', 'warn'], '1 problem and 2 warnings.'],
  ] as const)('%j', (statuses, text) => {
    expect(formatSummary(statuses.map(status => check(status)))).toBe(text)
  })
})

describe('exitCodeFor', () => {
  it.each<[string, readonly Check[], number]>([
    ['nothing failed', [check('ok'), check('warn', 'key-changed'), check('skip')], 0],
    ['the machine only', [check('fail', 'port-in-use'), check('fail')], 1],
    ['a share that cannot be, which is no usage error here', [check('fail', 'invalid-share')], 1],
    ['not registered', [check('fail', 'hub-unreachable'), check('fail', 'not-authenticated')], 3],
    ['no hub', [check('fail'), check('fail', 'hub-unreachable')], 4],
    ['no peer', [check('fail'), check('fail', 'peer-offline')], 5],
    ['no coins', [check('fail', 'no-coins')], 6],
    ['another key, which is worse than all', [check('fail', 'hub-unreachable'), check('fail', 'key-changed')], 7],
  ])('when %s', (_when, checks, code) => {
    expect(exitCodeFor(checks)).toBe(code)
  })
})
