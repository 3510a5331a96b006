import type { CryptoPort } from '../../../ports.js'
import type { InviteStore } from '../../ports/store.js'

/** 128 bits: nobody guesses one, and it can still be read out. */
const inviteBytes = 16

/** What a code is kept as: nobody who reads the database can register with what is in it. */
export function inviteHash(code: string, crypto: Pick<CryptoPort, 'sha256'>): string {
  return crypto.sha256(code)
}

/** Makes so many codes, each for one registration. Resolves when all of them are durable. */
export async function makeInvites(
  count: number,
  store: InviteStore,
  crypto: Pick<CryptoPort, 'randomId' | 'sha256'>,
  timeMs: number,
): Promise<readonly string[]> {
  const codes = Array.from({ length: count }, () => crypto.randomId(inviteBytes))
  for (const code of codes) await store.addInvite({ codeHash: inviteHash(code, crypto), timeMs })
  return codes
}
