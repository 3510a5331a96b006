import { askPeer, type NoAnswer, readStats, silence } from '../control.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { toFailure } from '../failure.js'
import { formatStatus } from '../format.js'
import { printable } from '../output.js'
import type { Context } from './context.js'

/** Says why there is no good answer. */
export function reportSilence({ output, home }: Context, answer: NoAnswer): ExitCode {
  return output.fail(toFailure(silence(home, answer)))
}

/** `status`: what the running peer carries. */
export async function statusCommand(context: Context): Promise<ExitCode> {
  const answer = await askPeer(context.home, 'GET', '/stats', readStats)
  if (answer.type !== 'answered') return reportSilence(context, answer)
  const lines = formatStatus(answer.value, answer.run.url ?? '').split('\n')
  context.output.result(answer.value, lines.map(printable).join('\n'))
  return exitCodes.done
}
