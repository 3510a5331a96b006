import { isRecord } from '../../../protocol/json.js'
import type { RegistrationPolicy } from '../../../protocol/peer/registration-policy.js'
import { nicknameFlaw } from '../../../protocol/peer/nickname.js'
import { isBase64Of, isPublicKey } from '../../../protocol/signaling/signal.js'
import { registerText } from '../../../protocol/signaling/signed-texts.js'

/** A request to register, as it travels. */
export interface RegistrationRequest {
  readonly pub_key: string
  readonly nickname: string
  readonly signature: string
  /** A code from the hub's operator, where the hub asks for one. */
  readonly invite?: string | undefined
}

/** Invites that are made at a time. Enough for any party; a slip of the finger does not fill the database. */
export const maxInvites = 1_000

/** Why a registration is refused before the registry is asked, in words that say what to do. */
export interface RegistrationProblem {
  readonly status: 400 | 403
  readonly code: 'malformed' | 'bad-signature' | 'invite-needed' | 'registration-closed'
  readonly detail: string
}

const malformed = (detail: string): RegistrationProblem => ({ status: 400, code: 'malformed', detail })
const inviteNeeded = (detail: string): RegistrationProblem => ({ status: 403, code: 'invite-needed', detail })

/** What to say to a code that is unknown or was used. */
export const inviteRefusal = inviteNeeded(
  'This invitation is unknown or was used already. Ask the operator of this hub for another one.',
)

const fields: ReadonlySet<string> = new Set<keyof RegistrationRequest>(['pub_key', 'nickname', 'signature', 'invite'])

/** The body of a registration, or undefined when it has not exactly these three strings and, if it likes, an invite. */
export function parseRegistration(body: unknown): RegistrationRequest | undefined {
  if (!isRecord(body) || !Object.keys(body).every(field => fields.has(field))) return undefined
  const { pub_key, nickname, signature, invite } = body
  if (typeof pub_key !== 'string' || typeof nickname !== 'string' || typeof signature !== 'string') return undefined
  if (invite !== undefined && typeof invite !== 'string') return undefined
  return { pub_key, nickname, signature, invite }
}

/**
 * Checks a registration on its own: its shape, the hub's policy, nickname, key, and that the key's owner asks. Whether its code is
 * good, and name and key are free, is for the store to say.
 */
export function admitRegistration(
  body: unknown,
  policy: RegistrationPolicy,
  verify: (pubKey: string, text: string, signature: string) => boolean,
): RegistrationRequest | RegistrationProblem {
  const request = parseRegistration(body)
  if (request === undefined) {
    return malformed('Send JSON {"pub_key", "nickname", "signature"}, three strings, as application/json.')
  }
  const { pub_key: pubKey, nickname, signature, invite } = request
  if (policy === 'closed') {
    const detail = 'This hub takes no new members. Ask its operator, or choose another.'
    return { status: 403, code: 'registration-closed', detail }
  }
  if (policy === 'invite' && invite === undefined) {
    return inviteNeeded('This hub takes members by invitation. Ask its operator for a code and give it with --invite.')
  }
  const flaw = nicknameFlaw(nickname)
  if (flaw !== undefined) return malformed(`"nickname" ${flaw}. Choose one like "alice".`)
  if (!isPublicKey(pubKey)) {
    return malformed('"pub_key" must be standard padded base64 of the 32 bytes of an Ed25519 key.')
  }
  if (isBase64Of(signature, 64) && verify(pubKey, registerText(nickname, pubKey), signature)) return request
  const rule = 'Sign "lighthouse/register/1", the nickname and the key, joined by line feeds, with this key.'
  return { status: 400, code: 'bad-signature', detail: `"signature" does not verify. ${rule}` }
}
