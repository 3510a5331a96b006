/**
 * The texts that are signed. Each starts with its purpose and version, so that no signature serves for anything else.
 * Keys, signatures and digests inside are standard base64 with padding, session and challenge base64url.
 */

/** Proves at registration that the key is the sender's. */
export function registerText(nickname: string, pubKey: string): string {
  return `lighthouse/register/1\n${nickname}\n${pubKey}`
}

/** What the hub signs to show that it is the hub that the peer remembers. */
export function hubChallengeText(challenge: string, pubKey: string): string {
  return `lighthouse/hub/1\n${challenge}\n${pubKey}`
}

/** What a peer signs to sign in, bound to this hub and this challenge. */
export function authText(hubKey: string, challenge: string): string {
  return `lighthouse/auth/1\n${hubKey}\n${challenge}`
}

/** What is signed for an offer or answer: parties, session and the SHA-256 (base64) of its canonical payload. */
export function descriptionText(
  kind: 'offer' | 'answer',
  fields: { hubKey: string; session: string; from: string; to: string; payloadDigest: string },
): string {
  const { hubKey, session, from, to, payloadDigest } = fields
  return `lighthouse/${kind}/1\n${hubKey}\n${session}\n${from}\n${to}\n${payloadDigest}`
}

/** What the hub signs as the head of its ledger. */
export function headText(seq: number, hash: string): string {
  return `lighthouse/head/1\n${seq}\n${hash}`
}

/** What the consumer signs as a receipt: the members in this order. */
export function receiptText(receipt: {
  readonly hub_key: string
  readonly session: string
  readonly seeder: string
  readonly consumer: string
  readonly bytes: number
}): string {
  const { hub_key, session, seeder, consumer, bytes } = receipt
  return `lighthouse/receipt/1\n${hub_key}\n${session}\n${seeder}\n${consumer}\n${bytes}`
}

/** What the hub signs as a settlement: the members in this order, `coins` as the text that was sent. */
export function settledText(settlement: {
  readonly session: string
  readonly bytes: number
  readonly coins: string
  readonly seq: number
  readonly hash: string
}): string {
  const { session, bytes, coins, seq, hash } = settlement
  return `lighthouse/settled/1\n${session}\n${bytes}\n${coins}\n${seq}\n${hash}`
}
