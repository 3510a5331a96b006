import { isNickname, maxNicknameLength } from '../../protocol/nickname.js'
import { isBase64Of, isPublicKey } from '../../protocol/signal.js'
import { registerText } from '../../protocol/signed-texts.js'

/** A request to register, as it travels. */
export interface RegistrationRequest {
  readonly pub_key: string
  readonly nickname: string
  readonly signature: string
}

/** Why a registration is refused before the registry is asked, in words that say what to do. */
export interface RegistrationProblem {
  readonly code: 'malformed' | 'bad-signature'
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
