import { describe, expect, it } from '@jest/globals'
import { ignoresHangUp } from '../../src/cli/hang-up.js'

const status = (ignored: string): string => `Name:\tbash\nSigBlk:\t0000000000010000\nSigIgn:\t${ignored}\nSigCgt:\t0\n`

describe('ignoresHangUp', () => {
  it.each<[string, boolean, string, boolean]>([
    ['output on a terminal', true, status('0000000000384004'), false],
    ['no output on a terminal, as nohup leaves it', false, status('0000000000384004'), true],
    ["a shell with trap '' HUP", true, status('0000000000384005'), true],
    ['a system without /proc', true, '', false],
  ])('%s', (_what, writesToTerminal, parentStatus, ignores) => {
    expect(ignoresHangUp(writesToTerminal, parentStatus)).toBe(ignores)
  })
})
