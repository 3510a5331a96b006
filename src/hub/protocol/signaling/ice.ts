import type { IceServerShape } from '../../../protocol/signaling/ice-servers.js'

/** A TURN service that shares a secret with the hub (coturn's `use-auth-secret`), so that credentials can expire. */
export interface TurnOptions {
  readonly urls: readonly string[]
  readonly secret: string
  /** How long a credential can be used, in seconds. Default 12 hours. */
  readonly ttlSeconds?: number
}

/** Longer than most evenings of watching: an allocation that outlives its credential cannot be refreshed. */
const defaultTtlSeconds = 43_200

/**
 * The ICE servers for one peer, as they travel. The credential is that of coturn's REST API: the name is
 * `expiry:key`, expiry in seconds since 1970 and the key in base64url, since `/` and `+` trouble URIs and logs; the password is
 * base64 of HMAC-SHA1 of the name.
 */
export function iceServersFor(
  pubKey: string,
  settings: { readonly iceServers: readonly IceServerShape[]; readonly turn: TurnOptions | undefined },
  nowMs: number,
  hmacSha1: (secret: string, text: string) => string,
): readonly IceServerShape[] {
  const { iceServers, turn } = settings
  if (turn === undefined) return iceServers
  const expiry = Math.floor(nowMs / 1000) + (turn.ttlSeconds ?? defaultTtlSeconds)
  const name = pubKey.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
  const username = `${expiry}:${name}`
  return [...iceServers, { urls: turn.urls, username, credential: hmacSha1(turn.secret, username) }]
}
