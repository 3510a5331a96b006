import type { ErrorCode } from '../protocol/errors.js'

/** What a command tells the shell. */
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

const { failure, usage, notRegistered, hubUnreachable, peerUnreachable, outOfCoins, integrity } = exitCodes

const table: Record<FailureCode, ExitCode> = {
  // The command was called wrongly.
  usage,
  'invalid-option': usage,
  'malformed-nickname': usage,
  'own-nickname': usage,
  'invalid-share': usage,
  'not-a-file': usage,
  // Nobody is registered here, or the hub does not accept who is.
  'not-registered': notRegistered,
  'invalid-metadata': notRegistered,
  'not-authenticated': notRegistered,
  'session-replaced': notRegistered,
  // There is no hub, or something else answers.
  'hub-unreachable': hubUnreachable,
  'hub-protocol': hubUnreachable,
  // The other peer cannot be reached, or was lost.
  'connect-timeout': peerUnreachable,
  'peer-offline': peerUnreachable,
  'unknown-nickname': peerUnreachable,
  'peer-refused': peerUnreachable,
  'peer-silent': peerUnreachable,
  'webrtc-failed': peerUnreachable,
  'channel-closed': peerUnreachable,
  'stream-reset': peerUnreachable,
  unpaid: peerUnreachable,
  'transfer-broken': peerUnreachable,
  'no-coins': outOfCoins,
  'spending-limit': outOfCoins,
  'bad-signature': integrity,
  'key-changed': integrity,
  'ledger-broken': integrity,
  'not-as-announced': integrity,
  'file-changed': integrity,
  // The rest.
  'frame-version': failure,
  'frame-command': failure,
  'frame-size': failure,
  'protocol-violation': failure,
  'stream-ids-exhausted': failure,
  'too-many-streams': failure,
  'stream-overrun': failure,
  'rate-limited': failure,
  'registration-refused': failure,
  'malformed-signal': failure,
  'too-many-connections': failure,
  'port-in-use': failure,
  'address-unavailable': failure,
  'no-tunnel-port': failure,
  'store-failed': failure,
  'already-registered': failure,
  'not-running': failure,
  'already-running': failure,
  'still-running': failure,
  'not-answering': failure,
  'demo-failed': failure,
  'no-such-file': failure,
  'file-exists': failure,
  'too-large': failure,
  'unexpected-answer': failure,
  interrupted: failure,
  'output-closed': failure,
  internal: failure,
}

/** The exit code for a failure. Total. */
export function exitCodeOf(code: FailureCode): ExitCode {
  return table[code]
}
