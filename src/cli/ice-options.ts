import type { HubOptions } from '../hub/app.js'
import { LighthouseError } from '../protocol/errors.js'
import { parseIceUrl } from '../protocol/signaling/ice-url.js'

/** How the hub's command line names STUN and TURN servers. */
export interface IceValues {
  readonly stun?: readonly string[]
  /** Addresses. */
  readonly turn?: readonly string[]
  readonly turnSecret?: string
}

/**
 * The addresses that a value of `--turn` stands for: itself, or, for a host alone, all that coturn listens on by default. UDP relays for
 * most, TCP and TLS for networks that let no UDP out.
 */
export function turnAddresses(text: string): readonly string[] {
  if (text.replace(/^\[.*\]$/, '').includes(':')) return [text]
  return [`turn:${text}:3478?transport=udp`, `turn:${text}:3478?transport=tcp`, `turns:${text}:5349?transport=tcp`]
}

/** A TURN server over UDP answers STUN as well, on the same port. */
function stunOf(turn: readonly string[]): readonly string[] {
  const overUdp = turn.filter(url => parseIceUrl(url)?.transport === 'udp')
  return [...new Set(overUdp.map(url => url.replace(/^turn:|\?.*$/g, '')))].map(server => `stun:${server}`)
}

/** What the hub hands its peers. Throws `invalid-option` where TURN has no secret, or a secret no TURN. */
export function iceOptions({
  turn = [],
  stun = stunOf(turn),
  turnSecret,
}: IceValues): Pick<HubOptions, 'iceServers' | 'turn'> {
  const iceServers = stun.map(urls => ({ urls }))
  if (turnSecret === undefined) {
    if (turn.length === 0) return { iceServers }
    throw new LighthouseError(
      'invalid-option',
      "--turn needs the secret that the TURN server shares with the hub. Set LIGHTHOUSE_TURN_SECRET to coturn's static-auth-secret.",
      { field: 'turn' },
    )
  }
  if (turn.length > 0) return { iceServers, turn: { urls: turn, secret: turnSecret } }
  throw new LighthouseError(
    'invalid-option',
    'LIGHTHOUSE_TURN_SECRET or --turn-secret is set, but no TURN server. Name its host with --turn, like --turn turn.example.',
    { field: 'turn' },
  )
}
