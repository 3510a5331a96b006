import { fingerprintOf } from '../../adapters/crypto/crypto.node.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { printable } from '../output.js'
import { register, type Registration } from '../registration.js'
import type { Context } from './context.js'

/** Options of `register`. */
export interface RegisterValues {
  readonly hub?: string
  readonly nickname?: string
  readonly invite?: string
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

/** `register --hub URL --nickname NAME`. */
export async function registerCommand(context: Context, { hub, nickname, invite }: RegisterValues): Promise<ExitCode> {
  const { io, output, home } = context
  if (hub === undefined || nickname === undefined) {
    const missing = hub === undefined ? '--hub URL' : '--nickname NAME'
    return output.fail({ code: 'usage', message: `register needs ${missing}` })
  }
  return reportRegistration(context, await register(io.parts, home, hub, nickname, invite))
}
