import { fingerprintOf } from '../../adapters/crypto/crypto.node.js'
import { assertNickname } from '../../protocol/peer/nickname.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { homeKeys } from '../known-keys.js'
import type { Context } from './context.js'

/** The argument of `forget`. */
export interface ForgetValues {
  readonly nickname: string
}

/** `forget NICK`: the next key under that nickname is trusted as the first one was. */
export async function forgetCommand(context: Context, { nickname }: ForgetValues): Promise<ExitCode> {
  assertNickname(nickname)
  const { key, site } = await homeKeys(context).forget(nickname)
  const fingerprint = key === undefined ? null : fingerprintOf(key)
  const decision = site === undefined ? '' : ', and what you decided about the site'
  const text =
    fingerprint === null
      ? `Nothing was remembered of ${nickname}.`
      : `Forgotten: the key of ${nickname}, ${fingerprint}${decision}. The next key under that nickname is trusted at the first connection.`
  context.output.result({ forgotten: { nickname, fingerprint, site: site ?? null } }, text)
  return exitCodes.done
}
