import type { Observable } from 'rxjs'
import type { CryptoPort, HubClient } from '../../ports.js'
import type { Identity } from '../../protocol/peer/metadata.js'
import { registerText } from '../../protocol/signaling/signed-texts.js'

/** Gives the nickname of an identity to its key, at this hub. Completes when that is done; errors as `HubClient.register$` does. */
export function registration$(
  hub: Pick<HubClient, 'register$'>,
  crypto: Pick<CryptoPort, 'sign'>,
  { nickname, pubKey, privKey }: Identity,
  invite: string | undefined,
): Observable<void> {
  const signature = crypto.sign(privKey, registerText(nickname, pubKey))
  return hub.register$({ pubKey, nickname, signature, ...(invite === undefined ? {} : { invite: invite.trim() }) })
}
