/**
 * Every failure this project reports on purpose, by code. Each line says when it happens and what a caller can do.
 */
export const errorCodes = {
  /** The bytes are not a smux frame of the agreed version. The connection ends; dial again. */
  'frame-version': 'fatal',
  /** The frame carries a command that does not exist or was not agreed. The connection ends; dial again. */
  'frame-command': 'fatal',
  /** The frame's size does not fit its command. The connection ends; dial again. */
  'frame-size': 'fatal',
  /** The other side broke a rule of the stream layer (window, UPD, control flood). The connection ends; dial again. */
  'protocol-violation': 'fatal',
  /** Nothing arrived for the keep-alive's limit. The connection ends; dial again. */
  'peer-silent': 'fatal',
  /**
   * Something in this program threw what nobody expected: a defect of ours. What it happened in ends, a connection mostly, and the
   * rest goes on. Report it with the stack in the log; trying again may help.
   */
  internal: 'fatal',
  /** The channel ended or failed underneath. The connection ends; dial again. */
  'channel-closed': 'fatal',
  /** All stream IDs of the connection are used up. The connection is replaced; dial again. */
  'stream-ids-exhausted': 'fatal',
  /** The limit on open streams was reached. Only this stream fails; close others first. */
  'too-many-streams': 'stream',
  /** The local reader fell too far behind on a version 1 connection. Only this stream fails. */
  'stream-overrun': 'stream',
  /** The other side reset the stream: what arrived is incomplete. Only this stream fails; retry. */
  'stream-reset': 'stream',
  /** No connection within the deadline; `phase` says how far it came, the message what it likely failed for, `next` what to do. */
  'connect-timeout': 'connect',
  /** The hub knows the peer and it is not signed in. Ask its owner to start it. */
  'peer-offline': 'connect',
  /** The hub knows nobody of that nickname. Check the spelling. */
  'unknown-nickname': 'connect',
  /** What should be a nickname is none. The message says the rule. */
  'malformed-nickname': 'input',
  /** The nickname is this peer's own. Open the data server instead. */
  'own-nickname': 'connect',
  /** The wallet holds less than one coin. Serve others to earn. */
  'no-coins': 'connect',
  /** The other side has taken what it may without paying, and did not pay for 20 s. The connection ends; dial again. */
  unpaid: 'fatal',
  /** A limit that this peer's owner set on what may be spent is reached. Raise it, or wait for the next day. */
  'spending-limit': 'connect',
  /** The hub limits how often this may be asked. Wait a moment. */
  'rate-limited': 'connect',
  /** The hub cannot be reached or is not one. Check its address; it is tried again automatically. */
  'hub-unreachable': 'hub',
  /** The hub's answer is not what its protocol says. Check the address and its version. */
  'hub-protocol': 'hub',
  /** The hub did not accept this peer's key. Register again. */
  'not-authenticated': 'hub',
  /** The same key signed in elsewhere, or is signed in there; this session ended and does not come back by itself. */
  'session-replaced': 'hub',
  /** A registration was refused: the nickname or the key is taken. Choose another. */
  'registration-refused': 'hub',
  /** A signature does not verify: somebody in between changed the message. Do not connect. */
  'bad-signature': 'trust',
  /** A remembered key differs from the one presented. Ask the other person out of band before you forget the old one. */
  'key-changed': 'trust',
  /** A ledger does not match what its hub signed, or is not a ledger. The message names the block. Keep what you have, and ask its operator. */
  'ledger-broken': 'trust',
  /** A signal has not the shape of the protocol. It is dropped. */
  'malformed-signal': 'input',
  /** WebRTC could not connect, or lost the connection. Try again; `cause` tells more. */
  'webrtc-failed': 'connect',
  /** The other side refused, or said goodbye before the connection was open. */
  'peer-refused': 'connect',
  /** Too many attempts or connections are under way. Wait for one to end. */
  'too-many-connections': 'connect',
  /** A port that must be free is taken. Choose another with --port-base. */
  'port-in-use': 'local',
  /** The address to listen on is not this machine's, or not yet. Check it, or wait until its interface is up. */
  'address-unavailable': 'local',
  /** None of the tunnel ports can be opened. Free one of them, or move the block with --port-base. */
  'no-tunnel-port': 'local',
  /** An option has a value it cannot have. The message names the field and the rule. */
  'invalid-option': 'input',
  /** metadata.json is missing, unreadable, too open or malformed. The message says which. */
  'invalid-metadata': 'local',
  /** What is to be shared cannot be: the folder is missing, or the target malformed. */
  'invalid-share': 'local',
  /** The store cannot be read or written. Check the disk and the file's permissions. */
  'store-failed': 'local',
} as const

/** One of the codes above. */
export type ErrorCode = keyof typeof errorCodes

/** What an error of some codes carries besides its message. */
export interface ErrorDetails {
  readonly phase?: string
  /** What can be done about it, where more is known than the code says. */
  readonly next?: string
  readonly nickname?: string
  readonly expected?: string
  readonly actual?: string
  readonly port?: number
  readonly field?: string
}

/**
 * The one error class of this project: a closed set of codes, a message for people, details for programs.
 *
 * @example
 * import { LighthouseError } from 'lighthouse-peer'
 *
 * const error = new LighthouseError('connect-timeout', 'bob did not connect within 20 s', { phase: 'offering' })
 * console.log(error.code, error.details.phase)
 * // → connect-timeout offering
 */
export class LighthouseError extends Error {
  override readonly name = 'LighthouseError'
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: ErrorDetails = {},
    options?: { cause?: unknown },
  ) {
    super(message, options)
  }
}

/**
 * Whether `error` is ours, and, when codes are given, of one of them.
 *
 * @example
 * import { deframe, isLighthouseError } from 'lighthouse-peer/operators'
 * import { catchError, EMPTY, of } from 'rxjs'
 *
 * of(Uint8Array.of(9, 0, 0, 0, 3, 0, 0, 0))
 *   .pipe(
 *     deframe(),
 *     catchError((error: unknown) => {
 *       if (!isLighthouseError(error, 'frame-version')) throw error
 *       console.log(error.message)
 *       return EMPTY
 *     }),
 *   )
 *   .subscribe()
 * // → frame of version 9 on a version 1 connection
 */
export function isLighthouseError(error: unknown, ...codes: readonly ErrorCode[]): error is LighthouseError {
  return error instanceof LighthouseError && (codes.length === 0 || codes.includes(error.code))
}

/** What the language throws where a program is wrong, by name: an object of another realm is no `instanceof` ours. */
const defectNames: ReadonlySet<string> = new Set([
  'TypeError',
  'RangeError',
  'ReferenceError',
  'SyntaxError',
  'EvalError',
  'URIError',
])

/**
 * Whether the error is a defect in this program, as far as that can be known. What the system and libraries throw for what
 * comes from outside carries a code; only that for an argument of a wrong type is a mistake as well.
 */
function isDefect(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return true
  const { name, message, code } = error as {
    readonly name?: unknown
    readonly message?: unknown
    readonly code?: unknown
  }
  if (typeof name !== 'string' || typeof message !== 'string') return true
  return defectNames.has(name) && (code === undefined || code === 'ERR_INVALID_ARG_TYPE')
}

/**
 * Wraps what an outside library or the system threw for a reason that `code` names, keeping it as the cause. Ours pass unchanged, and
 * a defect is `internal`, so that it is not taken for a disk, a network or another peer that fails.
 */
export function toLighthouseError(code: ErrorCode, error: unknown, prefix = ''): LighthouseError {
  if (error instanceof LighthouseError) return error
  return isDefect(error) ? toInternalError(error) : wrapError(code, error, prefix)
}

/** Wraps whatever comes to where only ours should: no library or system throws there, so it is a defect. Ours pass unchanged. */
export function toInternalError(error: unknown): LighthouseError {
  return error instanceof LighthouseError ? error : wrapError('internal', error, 'a defect in this program')
}

/** Wraps what a library threw in `code` whatever it is: for those that refuse what comes from outside with a TypeError. */
export function wrapError(code: ErrorCode, error: unknown, prefix = ''): LighthouseError {
  const { message } = (error ?? {}) as { readonly message?: unknown }
  const text = typeof message === 'string' ? message : String(error)
  return new LighthouseError(code, prefix === '' ? text : `${prefix}: ${text}`, {}, { cause: error })
}
