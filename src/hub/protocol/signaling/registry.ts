import { isNickname, maxNicknameLength } from '../../../protocol/peer/nickname.js'
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

/** Who may register: everybody, who has a code from the operator, or nobody. */
export const registrationPolicies = ['open', 'invite', 'closed'] as const
export type RegistrationPolicy = (typeof registrationPolicies)[number]

/** Why a registration is refused before the registry is asked, in words that say what to do. */
export interface RegistrationProblem {
  readonly code: 'malformed' | 'bad-signature' | 'invite-needed' | 'registration-closed'
  readonly detail: string
}

/** Checks a registration on its own: nickname, key, and that the key's owner asks. Undefined when all is well. */
export function registrationProblem(
  request: RegistrationRequest,
  verify: (pubKey: string, text: string, signature: string) => boolean,
): RegistrationProblem | undefined {
  const { pub_key: pubKey, nickname, signature } = request
  if (!isNickname(nickname)) {
    return {
      code: 'malformed',
      detail: `"nickname" must be 1 to ${maxNicknameLength} of the letters a to z. Choose one like "alice".`,
    }
  }
  if (!isPublicKey(pubKey)) {
    return { code: 'malformed', detail: '"pub_key" must be standard padded base64 of the 32 bytes of an Ed25519 key.' }
  }
  if (!isBase64Of(signature, 64) || !verify(pubKey, registerText(nickname, pubKey), signature)) {
    return {
      code: 'bad-signature',
      detail:
        '"signature" does not verify. Sign "lighthouse/register/1", the nickname and the key, joined by line feeds, with this key.',
    }
  }
  return undefined
}

/** What to say to a code that is unknown or was used. */
export const inviteRefusal: RegistrationProblem = {
  code: 'invite-needed',
  detail: 'This invitation is unknown or was used already. Ask the operator of this hub for another one.',
}

/** Whether the hub's policy lets this request through. Whether its code is good is for the store to say. */
export function policyProblem(
  policy: RegistrationPolicy,
  { invite }: Pick<RegistrationRequest, 'invite'>,
): RegistrationProblem | undefined {
  if (policy === 'closed') {
    return {
      code: 'registration-closed',
      detail: 'This hub takes no new members. Ask its operator, or choose another.',
    }
  }
  if (policy === 'invite' && invite === undefined) {
    return {
      code: 'invite-needed',
      detail: 'This hub takes members by invitation. Ask its operator for a code and give it with --invite.',
    }
  }
  return undefined
}
