import { formatCoins } from '../../protocol/coins/amount.js'
import { isNickname } from '../../protocol/peer/nickname.js'
import { askPeer, readForgiven } from '../control.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { CommandFailure } from '../failure.js'
import type { Context } from './context.js'

/** The argument of `forgive`. */
export interface ForgiveValues {
  readonly nickname: string
}

/** `forgive`: the running peer asks nothing more for what somebody owes it. */
export async function forgiveCommand(context: Context, { nickname }: ForgiveValues): Promise<ExitCode> {
  if (!isNickname(nickname)) {
    throw new CommandFailure('usage', `"${nickname}" is no nickname: only the letters a to z`)
  }
  const { value: bytes } = await askPeer(context.home, 'POST', `/control/forgive/${nickname}`, readForgiven)
  const coins = formatCoins(bytes)
  const text = bytes === 0 ? `${nickname} owes nothing here.` : `${nickname} owes ${coins} coins less here.`
  context.output.result({ forgiven: { nickname, coins, bytes } }, text)
  return exitCodes.done
}
