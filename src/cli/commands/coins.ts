import { formatCoins } from '../../protocol/coins/amount.js'
import { askPeer, readCoins } from '../control.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import type { Context } from './context.js'

/** `coins`: what is left in the wallet of the running peer. The peer asks its hub; while that is unreachable it shows the last known balance. */
export async function coinsCommand(context: Context): Promise<ExitCode> {
  const { bytes, asOf } = (await askPeer(context.home, 'GET', '/coins', readCoins)).value
  const away = asOf === undefined ? {} : { hub: 'away', asOf }
  context.output.result({ coins: formatCoins(bytes), bytes, ...away }, formatCoins(bytes))
  if (asOf !== undefined) context.output.notice(`The hub is unreachable. This was the balance at ${asOf}.`)
  return exitCodes.done
}
