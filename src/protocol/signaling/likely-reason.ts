/** What an attempt at a connection most likely failed for. The pages of the proxy, `get` and `doctor` say the same. */
import { LighthouseError } from '../errors.js'
import type { Attempt } from './attempt.js'
import { type IceServerShape, iceUrlsOf } from './ice-servers.js'
import type { IceUrl } from './ice-url.js'
import type { UdpReach } from './udp-reach.js'

/** What is known when an attempt has failed. */
export interface FailedAttempt {
  /** Nickname of the other peer. */
  readonly peer: string
  readonly attempt: Attempt
  /** Whether UDP gets through on this side. */
  readonly udp: UdpReach | 'asking'
  /** The servers that the attempt could use. */
  readonly servers: readonly IceServerShape[]
  readonly relayOnly: boolean
}

/** Why, as a clause without a full stop, and what to do about it, in sentences. */
export interface LikelyReason {
  readonly reason: string
  readonly next: string
}

const runDoctor = 'Run "lighthouse-peer doctor" to see what works here.'
const doctorThere = (peer: string): string => `Ask the owner of ${peer} to run "lighthouse-peer doctor".`
const askForTurn = 'Ask the operator of your hub for a TURN server (hub --turn HOST).'

/** Both sides have each other's description, and no path between them was found. */
function noPath({ peer, attempt: { own, other }, udp, servers, relayOnly }: FailedAttempt): LikelyReason {
  const urls = iceUrlsOf(servers)
  const relays = urls.filter(({ scheme }) => scheme === 'turn')
  const isOverTcp = ({ transport }: IceUrl): boolean => transport !== 'udp'
  if (relayOnly && relays.length === 0) {
    return {
      reason: 'this peer connects through TURN only (--relay-only), and the hub names no TURN server',
      next: askForTurn,
    }
  }
  if (relayOnly && !own.has('relay')) {
    return {
      reason: 'this peer connects through TURN only (--relay-only), and no TURN server could be used',
      next: runDoctor,
    }
  }
  if (udp === 'blocked' && !relays.some(isOverTcp)) {
    return {
      reason: 'this network blocks UDP, and the hub names no TURN server over TCP or TLS',
      next: 'Try another network, or ask the operator of your hub for TURN over TLS (hub --turn HOST).',
    }
  }
  if (udp === 'blocked' && !own.has('relay')) {
    return { reason: 'this network blocks UDP, and TURN over TCP or TLS could not be used either', next: runDoctor }
  }
  if (urls.length === 0) {
    return {
      reason: 'the hub names no STUN server, so peers behind different routers cannot find each other',
      next: 'Ask the operator of your hub for STUN and TURN servers (hub --turn HOST).',
    }
  }
  // Its own network has not been asked about, or the answer is another one by now.
  if (!own.has('srflx') && !own.has('relay') && udp !== 'open') {
    return { reason: 'no STUN or TURN server answered this peer', next: runDoctor }
  }
  if (!other.has('srflx') && !other.has('relay')) {
    return {
      reason: `${peer} named no address that is reached from outside its network, where UDP may be blocked`,
      next: doctorThere(peer),
    }
  }
  if (relays.length === 0) {
    return {
      reason: `the routers on both sides let no direct connection through, and the hub names no TURN server`,
      next: askForTurn,
    }
  }
  if (!own.has('relay') && !other.has('relay')) {
    return {
      reason: 'the routers on both sides let no direct connection through, and neither side could use a TURN server',
      next: `${runDoctor} ${doctorThere(peer)}`,
    }
  }
  return {
    reason: 'no path was found, not even through TURN',
    next: `Try again. If it happens again, run "lighthouse-peer doctor ${peer}".`,
  }
}

/** What it most likely failed for, by how far it came. Pure and total. */
export function likelyReason(failed: FailedAttempt): LikelyReason {
  const { peer } = failed
  switch (failed.attempt.phase) {
    case 'resolving':
      return { reason: `the hub did not say who ${peer} is`, next: `Try again. If it happens again: ${runDoctor}` }
    case 'offering':
      return { reason: 'WebRTC made no offer on this machine', next: runDoctor }
    case 'connecting':
      return { reason: 'the hub did not confirm that it delivered the offer', next: 'Try again in a moment.' }
    case 'delivered':
      return {
        reason: `the hub delivered the offer, and ${peer} did not answer: that computer may be asleep, or Lighthouse hangs there`,
        next: `Ask the owner of ${peer} to wake the computer or to restart Lighthouse, then try again.`,
      }
    case 'answered':
      return noPath(failed)
    case 'open':
      return { reason: `the connection to ${peer} was lost`, next: 'Try again. A new connection will be made.' }
  }
}

/** The error of an attempt that failed on the way to an open connection, with its likely reason. Others pass unchanged. */
export function withLikelyReason(error: LighthouseError, failed: FailedAttempt): LighthouseError {
  const { code, message, details } = error
  if (failed.attempt.phase === 'open' || (code !== 'connect-timeout' && code !== 'webrtc-failed')) return error
  const { reason, next } = likelyReason(failed)
  const what = code === 'connect-timeout' ? `${failed.peer} did not connect in time` : `no connection to ${failed.peer}`
  // Until there is a path to be found, what WebRTC says is all that is known.
  const more = code === 'webrtc-failed' && failed.attempt.phase !== 'answered' ? ` (${message})` : ''
  return new LighthouseError(code, `${what}: ${reason}${more}`, { ...details, next }, { cause: error })
}
