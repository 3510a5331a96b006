import { askPeer, readStats } from '../control.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { formatStatus } from '../format.js'
import { printable } from '../output.js'
import type { Context } from './context.js'

/** `status`: what the running peer carries. */
export async function statusCommand(context: Context): Promise<ExitCode> {
  const { value: stats, run } = await askPeer(context.home, 'GET', '/stats', readStats)
  const lines = formatStatus(stats, run.url ?? '').split('\n')
  context.output.result(stats, lines.map(printable).join('\n'))
  return exitCodes.done
}
