import { fingerprintOf } from '../../adapters/crypto/crypto.node.js'
import { readInvitation, rememberInviter } from '../invited.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { printable } from '../output.js'
import { register, type Registration } from '../registration.js'
import type { Context } from './context.js'

/** Options of `register`. */
export interface RegisterValues {
  readonly hub?: string
  readonly nickname?: string
  readonly invite?: string
  readonly link?: string
}

/** Shows how a registration ended; also used by `up`. */
export function reportRegistration({ output, home }: Context, result: Registration): ExitCode {
  const { nickname, host, pubKey } = result.identity
  const fingerprint = fingerprintOf(pubKey)
  const json = { registered: { nickname, hub: host, pubKey, fingerprint, home } }
  switch (result.type) {
    case 'occupied':
      return output.fail({
        code: 'already-registered',
        message: `"${result.path}" belongs to ${nickname} at ${host}. Use another --home`,
      })
    case 'already':
      output.result(json, `Already registered as ${nickname} at ${printable(host)}.`)
      return exitCodes.done
    case 'renewed':
      output.result(json, `${printable(host)} no longer knew ${nickname}. Registered again with the same key.`)
      return exitCodes.done
    case 'recovered':
    case 'registered':
      if (result.movedTo !== undefined) {
        output.notice(`There was an unfinished registration. Its key pair was moved to ${result.movedTo}.`)
      }
      output.result(
        json,
        [
          `Registered as ${nickname} at ${printable(host)}. Fingerprint of your key: ${fingerprint}`,
          `Your private key is in ${printable(home)}: keep it secret, and back it up.`,
        ].join('\n'),
      )
      return exitCodes.done
  }
}

/** `register --hub URL --nickname NAME`, or with an invitation in place of the hub. */
export async function registerCommand(context: Context, values: RegisterValues): Promise<ExitCode> {
  const { io, output, home } = context
  const { nickname, invite } = values
  const invitation = readInvitation(context, values.link)
  if (invitation !== undefined && (values.hub ?? invite) !== undefined) {
    return output.fail({
      code: 'usage',
      message: 'an invitation names the hub and the code: leave out --hub and --invite',
    })
  }
  const { hub = values.hub, code = invite, hubKey } = invitation ?? {}
  if (hub === undefined || nickname === undefined) {
    const missing = hub === undefined ? '--hub URL' : '--nickname NAME'
    return output.fail({ code: 'usage', message: `register needs ${missing}` })
  }
  const result = await register(io.parts, home, hub, nickname, { code, hubKey })
  const exit = reportRegistration(context, result)
  if (invitation !== undefined && result.type !== 'occupied') rememberInviter(context, result.identity, invitation)
  return exit
}
