import { firstValueFrom } from 'rxjs'
import { terminalQr } from '../../adapters/qr/terminal-qr.js'
import { readMetadata } from '../../adapters/store/metadata-file.node.js'
import { openTrustFile } from '../../adapters/store/trust-file.node.js'
import { isLighthouseError } from '../../protocol/errors.js'
import { fingerprint } from '../../protocol/peer/fingerprint.js'
import { formatInvitation, shortHub } from '../../protocol/peer/invitation.js'
import { hubScope, hubUrl } from '../../protocol/peer/metadata.js'
import { changedHubKey } from '../../streams/signaling/trust.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { CommandFailure } from '../failure.js'
import type { Context } from './context.js'

/** Options of `invite`. */
export interface InvitationValues {
  readonly code?: string
}

/** The hub's key, and who may register there as far as it says. Without the hub by what is remembered. */
async function askHub({ io, home }: Context, host: string) {
  const known = openTrustFile(home).known('hub', host)
  const { crypto, hubClient } = io.parts
  try {
    const { hubKey, registration } = await firstValueFrom(hubClient(hubUrl(host)).health$())
    if (known !== undefined && known !== hubKey) throw changedHubKey(host, known, hubKey, crypto)
    return { hubKey, registration }
  } catch (error) {
    if (known === undefined || !isLighthouseError(error, 'hub-unreachable')) throw error
    return { hubKey: known, registration: undefined }
  }
}

/** `invite`: makes a link with which somebody joins this home's hub and knows its owner. */
export async function inviteCommand(context: Context, { code: given }: InvitationValues): Promise<ExitCode> {
  const { io, output, home } = context
  const identity = readMetadata(home)
  if (identity === undefined) throw new CommandFailure('not-registered', `nobody is registered in "${home}"`)
  const { host, nickname, pubKey } = identity
  const { hubKey, registration } = await askHub(context, host)
  const hub = shortHub(host)
  const code = given?.trim()
  if (registration === 'closed') throw new CommandFailure('usage', `the hub ${hub} takes no new members`)
  if (registration === 'invite' && code === undefined) {
    const operator = 'its operator makes codes with "lighthouse-peer hub invite"'
    const message = `the hub ${hub} takes members by invitation: ${operator}. With one, run: lighthouse-peer invite --code CODE`
    throw new CommandFailure('usage', message)
  }
  const { sha256 } = io.parts.crypto
  const link = formatInvitation({ hub, hubKey, nickname, pubKey, code }, sha256)
  const fingerprints = { hub: fingerprint(hubKey, sha256), inviter: fingerprint(pubKey, sha256) }
  const picture = io.stdout.isTTY ? `\n\n${terminalQr(link, output.hasColours)}` : ''
  output.result({ invitation: { link, hub, nickname, fingerprints, hasCode: code !== undefined } }, `${link}${picture}`)
  output.notice(`Whoever gets this link joins ${hub} with it, and knows you: lighthouse-peer up LINK`)
  if (code !== undefined) output.notice('It holds a code, which one person can use: send it to nobody else.')
  if (registration === undefined && code === undefined) {
    output.notice('The hub did not say whether it wants a code. If it does, the link works together with one.')
  }
  if (hubScope(host) !== 'public') {
    output.notice(`${hub} is an address of this machine or network: the link works only there.`)
  }
  return exitCodes.done
}
