import { styleText } from 'node:util'
import { type ExitCode, exitCodeOf } from './exit-codes.js'
import { type Failure, nextSteps } from './failure.js'
import type { Io, Sink } from './io.js'

/**
 * Text from elsewhere, safe for a terminal: control characters, line breaks and those that turn the writing direction
 * become visible escapes.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, char => `\\u{${char.codePointAt(0)!.toString(16)}}`)
}

/** How a command speaks: results to stdout, everything else to stderr. */
export interface Output {
  readonly json: boolean
  /** A result: one line of JSON under --json, else the text. */
  result(json: object, text: string): void
  /** A remark for a person: stderr, nothing under --json. */
  notice(text: string): void
  /** Prints what went wrong and what to do next; returns the exit code. */
  fail(failure: Failure): ExitCode
  bold(text: string): string
  /** Whether stdout takes colours. */
  readonly hasColours: boolean
  /** Text for stdout in a style, where there are colours. */
  paint(style: Style, text: string): string
}

/** How text can be shown on a terminal. */
export type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green'

/** Colours only on a terminal whose user has not declined them (no-color.org). */
function takesColours(io: Io, sink: Sink): boolean {
  return sink.isTTY && (io.env.NO_COLOR ?? '') === '' && io.env.TERM !== 'dumb'
}

function painter(io: Io, sink: Sink): (style: Style, text: string) => string {
  const wanted = takesColours(io, sink)
  return (style, text) => (wanted ? styleText(style, text, { validateStream: false }) : text)
}

function sentence(text: string): string {
  const line = printable(text.trim().replace(/\s*\n\s*/g, ' '))
  return /[.!?]$/.test(line) ? line : `${line}.`
}

/** Output to the streams of `io`. */
export function createOutput(io: Io, json: boolean): Output {
  const onOut = painter(io, io.stdout)
  const onErr = painter(io, io.stderr)
  return {
    json,
    result: (value, text) => io.stdout.write(`${json ? JSON.stringify(value) : text}\n`),
    notice: text => {
      if (!json) io.stderr.write(`${onErr('dim', printable(text))}\n`)
    },
    fail: ({ code, message, next: known }) => {
      const next = known ?? nextSteps[code]
      if (json) io.stdout.write(`${JSON.stringify({ error: { code, message, next: known } })}\n`)
      else io.stderr.write(`${onErr('red', 'error:')} ${sentence(message)}${next === undefined ? '' : ` ${next}`}\n`)
      return exitCodeOf(code)
    },
    hasColours: takesColours(io, io.stdout),
    bold: text => onOut('bold', text),
    paint: onOut,
  }
}
