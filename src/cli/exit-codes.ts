import type { ErrorCode } from '../protocol/errors.js'

/** The exit code of a command. */
export const exitCodes = {
  done: 0,
  failure: 1,
  usage: 2,
  notRegistered: 3,
  hubUnreachable: 4,
  peerUnreachable: 5,
  outOfCoins: 6,
  integrity: 7,
} as const

/** One of 0 to 7. */
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** Failures that only the command line knows. */
export type CommandCode =
  | 'usage'
  | 'not-registered'
  | 'already-registered'
  | 'not-running'
  | 'already-running'
  | 'still-running'
  | 'not-answering'
  | 'demo-failed'
  | 'not-a-file'
  | 'no-such-file'
  | 'file-exists'
  | 'transfer-broken'
  | 'unexpected-answer'
  | 'not-as-announced'
  | 'file-changed'
  | 'too-large'
  | 'interrupted'
  | 'output-closed'

/** Every code that `--json` can show. */
export type FailureCode = ErrorCode | CommandCode

/** What ends with another code than 1. */
const codes: readonly (readonly [ExitCode, readonly FailureCode[]])[] = [
  // The command was called wrongly.
  [exitCodes.usage, ['usage', 'invalid-option', 'malformed-nickname', 'own-nickname', 'invalid-share', 'not-a-file']],
  // Nobody is registered here, or the hub does not accept who is.
  [exitCodes.notRegistered, ['not-registered', 'invalid-metadata', 'not-authenticated', 'session-replaced']],
  // There is no hub, or something else answers.
  [exitCodes.hubUnreachable, ['hub-unreachable', 'hub-protocol']],
  // The other peer cannot be reached, or was lost.
  [
    exitCodes.peerUnreachable,
    [
      'connect-timeout',
      'peer-offline',
      'unknown-nickname',
      'peer-refused',
      'peer-silent',
      'webrtc-failed',
      'channel-closed',
      'stream-reset',
      'unpaid',
      'transfer-broken',
    ],
  ],
  [exitCodes.outOfCoins, ['no-coins', 'spending-limit']],
  [exitCodes.integrity, ['bad-signature', 'key-changed', 'ledger-broken', 'not-as-announced', 'file-changed']],
]

const byFailure = new Map(codes.flatMap(([exit, failures]) => failures.map(failure => [failure, exit] as const)))

/** The exit code for a failure: 1 unless there is a more specific one. */
export function exitCodeOf(code: FailureCode): ExitCode {
  return byFailure.get(code) ?? exitCodes.failure
}
