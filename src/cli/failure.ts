import { toInternalError } from '../protocol/errors.js'
import type { CommandCode, FailureCode } from './exit-codes.js'

/** What the user can do about a failure, if the message does not say so. */
export const nextSteps: Partial<Record<FailureCode, string>> = {
  usage: 'Run "lighthouse-peer --help" for the commands and their options.',
  'not-registered': 'Run: lighthouse-peer register --hub URL --nickname NAME',
  'not-authenticated': 'Register again: lighthouse-peer register --hub URL --nickname NAME',
  'session-replaced': 'Stop the other peer, or use another --home.',
  'hub-unreachable': 'Check the address and that the hub is running.',
  'rate-limited': 'Wait a minute and try again.',
  'not-running': 'Start it with: lighthouse-peer up',
  'already-running': 'Stop it with: lighthouse-peer stop',
  'not-answering': 'Try again. If it still does not answer, end the process and start it again.',
  'key-changed':
    'Ask its operator for the fingerprint that the hub printed when it was started. If it is the new one, run: lighthouse-peer trust --own-hub',
  'bad-signature': 'Somebody may have tampered with a message. Do not use this hub until you know why.',
  'ledger-broken': 'Keep your files, and ask the operator of the hub.',
  'spending-limit': 'Start the peer with a higher limit, or wait for the next day.',
  'no-coins': 'Share something to earn coins.',
  'own-nickname': 'Open your own folder instead.',
  'no-such-file': 'Open the folder in a browser, and copy the name from there.',
  'file-changed': 'Run the same command again.',
  'not-as-announced': 'Delete the partial file to start again. If it happens again, ask the other side.',
  internal: 'This is a bug. Please report it, with what you did and the log.',
}

/** A failure in words. */
export interface Failure {
  readonly code: FailureCode
  readonly message: string
  /** What to do, where more is known than the code says. */
  readonly next?: string | undefined
}

/** A failure that only the command line knows, on its way up. */
export class CommandFailure extends Error implements Failure {
  override readonly name = 'CommandFailure'
  constructor(
    readonly code: CommandCode,
    message: string,
  ) {
    super(message)
  }
}

/** What was thrown, as a failure. */
export function toFailure(error: unknown): Failure {
  if (error instanceof CommandFailure) return { code: error.code, message: error.message }
  const { code, message, details } = toInternalError(error)
  return { code, message, next: details.next }
}
