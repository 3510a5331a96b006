import { describe, expect, it } from '@jest/globals'
import { type FailureCode, exitCodeOf } from '../../src/cli/exit-codes.js'
import { errorCodes } from '../../src/protocol/errors.js'

describe('exitCodeOf', () => {
  it('knows every code of the project', () => {
    for (const code of Object.keys(errorCodes)) {
      expect([1, 2, 3, 4, 5, 6, 7]).toContain(exitCodeOf(code as FailureCode))
    }
  })

  it.each<[FailureCode, number]>([
    ['usage', 2],
    ['malformed-nickname', 2],
    ['invalid-option', 2],
    ['not-registered', 3],
    ['invalid-metadata', 3],
    ['not-authenticated', 3],
    ['session-replaced', 3],
    ['hub-unreachable', 4],
    ['hub-protocol', 4],
    ['connect-timeout', 5],
    ['peer-offline', 5],
    ['unknown-nickname', 5],
    ['webrtc-failed', 5],
    ['no-coins', 6],
    ['bad-signature', 7],
    ['key-changed', 7],
    ['not-a-file', 2],
    ['transfer-broken', 5],
    ['not-as-announced', 7],
    ['file-changed', 7],
    ['no-such-file', 1],
    ['too-large', 1],
    ['output-closed', 1],
    ['file-exists', 1],
    ['port-in-use', 1],
    // Not 2, after which the unit does not try again.
    ['address-unavailable', 1],
    ['not-running', 1],
    ['already-running', 1],
    ['internal', 1],
  ])('%s ends with %i', (code, exit) => {
    expect(exitCodeOf(code)).toBe(exit)
  })
})
