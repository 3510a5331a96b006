import { CommanderError, InvalidArgumentError } from 'commander'
import { commandLine } from './command-line.js'
import { type ExitCode, exitCodeOf, exitCodes } from './exit-codes.js'
import { toFailure } from './failure.js'
import type { Io } from './io.js'
import { createOutput, type Output } from './output.js'

/** Whether failures are printed as JSON, before the options have been parsed. */
function wantsJson(argv: readonly string[], io: Io): boolean {
  return argv.includes('--json') || /^(1|true|yes|on)$/i.test(io.env.LIGHTHOUSE_JSON ?? '')
}

/** The exit code of a command line that was carried out, or could not be; and whether it was that of a daemon. */
async function perform(argv: readonly string[], io: Io): Promise<readonly [code: ExitCode, isDaemon: boolean]> {
  let ended: readonly [ExitCode, boolean] = [exitCodes.done, false]
  const program = commandLine(io, (code, isDaemon) => {
    ended = [code, isDaemon]
  })
  for (const command of [program, ...program.commands, ...program.commands.flatMap(each => each.commands)]) {
    command.exitOverride().configureOutput({
      writeOut: text => io.stdout.write(text),
      writeErr: text => io.stderr.write(text),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      outputError: () => undefined,
    })
  }
  try {
    await program.parseAsync(argv, { from: 'user' })
    return ended
  } catch (error) {
    return [tellFailure(error, createOutput(io, wantsJson(argv, io))), false]
  }
}

/** Reports why a command line failed. Returns the exit code. */
function tellFailure(error: unknown, output: Output): ExitCode {
  if (error instanceof CommanderError && !(error instanceof InvalidArgumentError)) {
    if (error.exitCode === 0) return exitCodes.done
    // Called with nothing at all: the help was printed already.
    if (error.code === 'commander.help') return exitCodes.usage
  }
  if (error instanceof CommanderError) {
    return output.fail({ code: 'usage', message: error.message.replace(/^error: /, '') })
  }
  const failure = toFailure(error)
  // A reader that has closed the output needs no message.
  return failure.code === 'output-closed' ? exitCodeOf(failure.code) : output.fail(failure)
}

/**
 * Runs one command line (without the program's own name) and resolves with its exit code. Never rejects, never exits
 * the process. A result that could not be written, as on a full disk, is a failure; a reader that has enough of it is not.
 */
export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  const [code, isDaemon] = await perform(argv, io)
  if (isDaemon || code !== exitCodes.done) return code
  const lost = await io.stdout.flush()
  if (lost === undefined || toFailure(lost).code === 'output-closed') return code
  return createOutput(io, false).fail(toFailure(lost))
}
