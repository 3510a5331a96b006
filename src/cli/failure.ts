import { toInternalError } from '../protocol/errors.js'
import type { CommandCode, FailureCode } from './exit-codes.js'

/** What the person can do about a failure, where the message itself does not say it. */
export const nextSteps: Partial<Record<FailureCode, string>> = {
  usage: 'Run "lighthouse-peer --help" to see what there is.',
  'not-registered': 'Run: lighthouse-peer register --hub URL --nickname NAME',
  'not-authenticated': 'Register again: lighthouse-peer register --hub URL --nickname NAME',
  'session-replaced': 'Stop the other one, or use another --home for another peer.',
  'hub-unreachable': 'Check the address and that the hub is running.',
  'rate-limited': 'Wait a minute and try again.',
  'malformed-nickname': 'A nickname is made of the letters a to z, at most 63.',
  'not-running': 'Start it with: lighthouse-peer up',
  'already-running': 'Stop it with: lighthouse-peer stop',
  'not-answering': 'Try again; if it stays so, end the process and start it anew.',
  'key-changed':
    'Ask the other side, over another channel, whether the key was really changed, before you forget the old one.',
  'bad-signature': 'Somebody in between may have changed a message: do not use this hub until you know why.',
  'ledger-broken': 'Keep what you have, and ask the operator of the hub.',
  'spending-limit': 'Start the peer with a higher limit, or wait for the next day.',
  'no-coins': 'Share something: serving others earns coins.',
  'own-nickname': 'What you share is in your own folder.',
  'no-such-file': 'Look at the folder on the dashboard, and write the name as it is there.',
  'file-changed': 'Run the same command again.',
  'not-as-announced': 'Remove what is kept to begin anew; if it stays so, ask the other side.',
  internal: 'This should not happen: please report it, with what you did and the log.',
}

/** A failure in words. */
export interface Failure {
  readonly code: FailureCode
  readonly message: string
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
  const { code, message } = error instanceof CommandFailure ? error : toInternalError(error)
  return { code, message }
}
