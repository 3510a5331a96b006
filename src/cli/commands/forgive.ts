import { formatCoins } from '../../protocol/coins/amount.js'
import { assertNickname } from '../../protocol/peer/nickname.js'
import { askPeer, readForgiven } from '../control.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import type { Context } from './context.js'

/** The argument of `forgive`. */
export interface ForgiveValues {
  readonly nickname: string
}

/** `forgive`: the running peer writes off what somebody owes it. */
export async function forgiveCommand(context: Context, { nickname }: ForgiveValues): Promise<ExitCode> {
  assertNickname(nickname)
  const { value: bytes } = await askPeer(context.home, 'POST', `/control/forgive/${nickname}`, readForgiven)
  const coins = formatCoins(bytes)
  const text = bytes === 0 ? `${nickname} owes nothing here.` : `${nickname} owes ${coins} coins less here.`
  context.output.result({ forgiven: { nickname, coins, bytes } }, text)
  return exitCodes.done
}
