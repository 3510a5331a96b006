import { openTrustFile } from '../adapters/store/trust-file.node.js'
import { type Invitation, parseInvitation } from '../protocol/peer/invitation.js'
import { hubUrl, type Identity } from '../protocol/peer/metadata.js'
import type { CryptoPort } from '../ports.js'
import { LighthouseError } from '../protocol/errors.js'
import { fingerprint } from '../protocol/peer/fingerprint.js'
import { trustedName } from '../streams/signaling/trust.js'
import type { Context } from './commands/context.js'
import { CommandFailure } from './failure.js'

/** Reads the link that was given, if one was. Throws `invalid-option`. */
export function readInvitation({ io }: Context, link: string | undefined): Invitation | undefined {
  return link === undefined ? undefined : parseInvitation(link, io.parts.crypto.sha256)
}

/** The error for a hub that has another key than the invitation says. */
export function notInvitedThere(
  host: string,
  expected: string,
  actual: string,
  { sha256 }: Pick<CryptoPort, 'sha256'>,
): LighthouseError {
  const [named, found] = [expected, actual].map(key => fingerprint(key, sha256))
  const message = `the hub ${host} is not the one of the invitation: that has the key ${named}, and this one ${found}`
  const next = 'Nothing was sent there. Ask whoever invited you for a new invitation.'
  return new LighthouseError('key-changed', message, { expected, actual, next })
}

/** Throws where the home belongs to another hub than the one of the invitation: `already-registered`, or `key-changed`. */
export function checkInvited({ io, home }: Context, { host, nickname }: Identity, invitation: Invitation): void {
  const { hub, hubKey } = invitation
  if (hubUrl(host).origin !== hubUrl(hub).origin) {
    const message = `"${home}" is registered as ${nickname} at ${host}, and the invitation is for ${hub}. Use another --home`
    throw new CommandFailure('already-registered', message)
  }
  const known = openTrustFile(home).known('hub', host)
  if (known !== undefined && known !== hubKey) throw notInvitedThere(host, hubKey, known, io.parts.crypto)
}

/** Who invited is known from now on by the key in the link, unless another one is remembered already: that is left as it is. */
export function rememberInviter({ home, output }: Context, own: Identity, invitation: Invitation): void {
  const { hubKey, nickname, pubKey } = invitation
  if (pubKey === own.pubKey) return output.notice('This invitation is your own.')
  const trust = openTrustFile(home)
  const name = trustedName(hubKey, nickname)
  const known = trust.known('peer', name)
  if (known === pubKey) return
  if (known !== undefined) {
    return output.notice(
      `You know ${nickname} by another key than the one in the invitation, and it was not replaced. See: lighthouse-peer trust ${nickname}`,
    )
  }
  trust.remember('peer', name, pubKey)
  output.notice(
    `${nickname} invited you, and is known from now on. On the dashboard, lighthouse://${nickname}/ is what ${nickname} shares.`,
  )
}
