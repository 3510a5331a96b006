import { formatCoins } from '../../protocol/coins.js'
import { askPeer, readCoins } from '../control.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import type { Context } from './context.js'
import { reportSilence } from './status.js'

/** `coins`: what is left in the wallet of the running peer. The peer asks its hub. */
export async function coinsCommand(context: Context): Promise<ExitCode> {
  const answer = await askPeer(context.home, 'GET', '/coins', readCoins)
  if (answer.type !== 'answered') return reportSilence(context, answer)
  const bytes = answer.value
  context.output.result({ coins: formatCoins(bytes), bytes }, formatCoins(bytes))
  return exitCodes.done
}
