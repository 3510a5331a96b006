import type { CryptoPort } from '../../../ports.js'
import type { InviteStore } from '../../ports/store.js'

/** 128 bits: nobody guesses one, and it can still be read out. */
const inviteBytes = 16

/**
 * Makes so many codes, each for one registration. Resolves when all of them are durable. They are kept as their SHA-256: nobody
 * who reads the database can register with what is in it.
 */
export async function makeInvites(
  count: number,
  store: InviteStore,
  crypto: Pick<CryptoPort, 'randomId' | 'sha256'>,
  timeMs: number,
): Promise<readonly string[]> {
  const codes = Array.from({ length: count }, () => crypto.randomId(inviteBytes))
  for (const code of codes) await store.addInvite({ codeHash: crypto.sha256(code), timeMs })
  return codes
}
