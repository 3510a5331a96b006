import { LighthouseError } from './errors.js'

/** What an option may be, and how a message words it after its name. */
export interface OptionRule {
  readonly allows: (value: unknown) => boolean
  readonly text: string
}

/** A rule for each field of `Options`: the compiler finds the field that has none. */
export type OptionRules<Options> = { readonly [Field in keyof Options]-?: OptionRule }

/** The longest that a timer waits: Node and browsers take anything more for 1 ms. */
const maxTimerMs = 2 ** 31 - 1

/** The error for an option that breaks a rule. The value is not repeated: it may be a secret. */
export function invalidOption(field: string, text: string): LighthouseError {
  return new LighthouseError('invalid-option', `option "${field}" ${text}`, { field })
}

/** A whole number within bounds, both allowed. */
export function whole(least: number, most = Number.MAX_SAFE_INTEGER): OptionRule {
  const upTo = most === Number.MAX_SAFE_INTEGER ? `, at least ${least}` : ` from ${least} to ${most}`
  return {
    allows: value => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
    text: `must be a whole number${upTo}`,
  }
}

/** Milliseconds of a timer. Fractions are allowed. */
export const milliseconds: OptionRule = {
  allows: value => typeof value === 'number' && value > 0 && value <= maxTimerMs,
  text: `must be a number of milliseconds above 0, at most ${maxTimerMs}`,
}

/** A port to listen on; 0 lets the system choose. */
export const listeningPort: OptionRule = whole(0, 65_535)

export const flag: OptionRule = { allows: value => typeof value === 'boolean', text: 'must be true or false' }

export const text: OptionRule = {
  allows: value => typeof value === 'string' && value !== '',
  text: 'must be a text that is not empty',
}

export const func: OptionRule = { allows: value => typeof value === 'function', text: 'must be a function' }

/** Anything but undefined. */
export const present: OptionRule = { allows: value => value !== undefined, text: 'is missing' }

/** One of these values. */
export function oneOf(...values: readonly (string | number)[]): OptionRule {
  return {
    allows: value => (values as readonly unknown[]).includes(value),
    text: `must be ${values.map(value => (typeof value === 'string' ? `"${value}"` : value)).join(' or ')}`,
  }
}

/** An object with these methods, as a port has them. */
export function having(...methods: readonly string[]): OptionRule {
  return {
    allows: value =>
      ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
      methods.every(name => typeof (value as Record<string, unknown>)[name] === 'function'),
    text: `must be an object with the method${methods.length === 1 ? '' : 's'} ${methods.join(', ')}`,
  }
}

/** What rxjs takes as a scheduler. */
export const scheduler: OptionRule = having('schedule', 'now')

/** What `CryptoPort` and `MonotonicClock` have. */
export const cryptoPort: OptionRule = having(
  ...['sign', 'verify', 'sha256', 'randomId', 'generateKeyPair', 'packSdp', 'unpackSdp'],
)
export const clock: OptionRule = having('now')

/** The path of a file or folder. */
export const path: OptionRule = {
  allows: value => text.allows(value) && !(value as string).includes('\0'),
  text: 'must be a path',
}

/** What is sent in an HTTP header and compared with it, so long that nobody guesses it. */
export function token(least: number): OptionRule {
  return {
    allows: value => typeof value === 'string' && /^[\x21-\x7e]{1,256}$/.test(value) && value.length >= least,
    text: `must be ${least} to 256 visible ASCII characters`,
  }
}

/** One whose fields have rules of their own. */
export const object: OptionRule = {
  allows: value => typeof value === 'object' && value !== null,
  text: 'must be an object',
}

/** The rule, or undefined. */
export function optional(rule: OptionRule): OptionRule {
  return { ...rule, allows: value => value === undefined || rule.allows(value) }
}

/**
 * Checks options once, at the door. Throws `invalid-option` for the first field that breaks its rule, and for a field that
 * does not exist, which is mostly a misspelt one. `path` is where the options lie among others, such as `spending`.
 */
export function verifyOptions<Options extends object>(options: Options, rules: OptionRules<Options>, path = ''): void {
  const name = (field: string): string => (path === '' ? field : `${path}.${field}`)
  if (typeof options !== 'object' || options === null) throw invalidOption(path || 'options', 'must be an object')
  for (const [field, rule] of Object.entries<OptionRule>(rules)) {
    if (!rule.allows((options as Record<string, unknown>)[field])) throw invalidOption(name(field), rule.text)
  }
  for (const field of Object.keys(options)) {
    if (!Object.hasOwn(rules, field) && (options as Record<string, unknown>)[field] !== undefined) {
      throw invalidOption(name(field), `does not exist; there are ${Object.keys(rules).join(', ')}`)
    }
  }
}

/** The options of operators that do something each `everyMs`. */
export const timerRules = { everyMs: optional(milliseconds), scheduler: optional(scheduler) }
