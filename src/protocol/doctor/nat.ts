/** What the doctor says about STUN, TURN and the router between: which kind it is, and who can meet through it. */
import { addressScope } from '../signaling/address-scope.js'
import type { IceUrl } from '../signaling/ice-url.js'
import type { SeenAddress } from '../signaling/stun.js'
import type { TurnOutcome } from '../signaling/turn-allocate.js'
import { failing, fine, skipped, type Diagnosis, warning } from './check.js'

/** What one server saw of this machine, asked over UDP from one socket for all. */
export interface Seen {
  readonly server: IceUrl
  /** Where the question went; undefined where none was answered. */
  readonly asked: SeenAddress | undefined
  /** Undefined where it did not answer. */
  readonly mapped: SeenAddress | undefined
  readonly ms: number
}

/**
 * How the router gives out ports (RFC 4787 section 4.1): `none`, the machine's own; `cone`, the same one whoever is talked to;
 * `symmetric`, another one for each. `unknown` where one server answered, and there are no two to compare.
 */
export type NatKind = 'none' | 'cone' | 'symmetric' | 'unknown' | 'blocked'

const textOf = ({ address, port }: SeenAddress): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`

/** @param own addresses of this machine. */
export function natKind(seen: readonly Seen[], own: readonly string[]): NatKind | undefined {
  if (seen.length === 0) return undefined
  // Of one address and port, however it is named, every answer is the same.
  const places = seen.map(({ asked }) => asked && textOf(asked))
  const mapped = seen.flatMap(({ mapped: address }, at) =>
    address === undefined || places.indexOf(places[at]) < at ? [] : [address],
  )
  if (mapped.length === 0) return 'blocked'
  const isOwn = ({ address }: SeenAddress): boolean => own.includes(address) || addressScope(address) === 'loopback'
  if (mapped.every(isOwn)) return 'none'
  // Each family has a router of its own, if any.
  const families = [
    mapped.filter(({ address }) => !address.includes(':')),
    mapped.filter(({ address }) => address.includes(':')),
  ]
  const behind = families.filter(family => !family.every(isOwn))
  if (behind.some(family => new Set(family.map(textOf)).size > 1)) return 'symmetric'
  return behind.some(family => family.length > 1) ? 'cone' : 'unknown'
}

const addressOf = ({ host, port }: IceUrl): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)

/** What is said about a server, with its name. */
const about = (server: IceUrl, verdict: Diagnosis): Diagnosis => ({
  ...verdict,
  detail: `${addressOf(server)} over ${server.transport.toUpperCase()} ${verdict.detail}`,
})

/** What a STUN server answered. */
export function judgeStun({ server, mapped }: Seen): Diagnosis {
  const verdict =
    mapped === undefined
      ? failing('does not answer', 'Your network or firewall may block UDP, or the server is down.')
      : fine(`sees this machine as ${textOf(mapped)}`)
  return about(server, verdict)
}

/** What became of an allocation at a TURN server. `silent`: no answer came; `unreachable`: no connection, and why. */
export type TurnFound =
  | TurnOutcome
  | { readonly type: 'silent' }
  | { readonly type: 'unreachable'; readonly reason: string }
  | { readonly type: 'no-credentials' }

/** What an allocation came to. */
export function judgeTurn(found: TurnFound, server: IceUrl): Diagnosis {
  return about(server, judgeAllocation(found, server))
}

function judgeAllocation(found: TurnFound, { transport }: IceUrl): Diagnosis {
  const tellOperator = 'Tell the operator of your hub.'
  switch (found.type) {
    case 'relayed':
      return fine(found.relay === undefined ? 'relays' : `relays at ${textOf(found.relay)}`)
    case 'refused': {
      const words = `refuses: ${found.errorCode}${found.reason === '' ? '' : ` ${found.reason}`}`
      if (found.errorCode === 401 || found.errorCode === 441) {
        return failing(
          `does not accept the credentials that the hub hands out (${words})`,
          `${tellOperator} The secret of hub and TURN server differ, or their clocks do.`,
        )
      }
      return failing(words, tellOperator)
    }
    case 'malformed':
      return failing('answers, and not as a TURN server', tellOperator)
    case 'no-credentials':
      return failing('is of no use: the hub hands out no credentials for it', tellOperator)
    case 'unreachable': {
      const why = /certificate/i.test(found.reason)
        ? 'Its certificate cannot be trusted; NODE_EXTRA_CA_CERTS names an authority of your own.'
        : 'A firewall may be in between.'
      return failing(`cannot be connected to (${found.reason})`, `${tellOperator} ${why}`)
    }
    case 'silent':
      return failing(
        'does not answer',
        transport === 'udp' ? 'Your network or firewall may block UDP, or the server is down.' : tellOperator,
      )
  }
}

/** What kind of router is in front of this machine. */
export function judgeNat(kind: NatKind | undefined): Diagnosis {
  switch (kind) {
    case undefined:
      return skipped('there is no server to ask')
    case 'none':
      return fine('no router changes the addresses of this machine')
    case 'cone':
      return fine('cone: the same port for everybody')
    case 'symmetric':
      return fine('symmetric: another port for everybody')
    case 'unknown':
      return skipped('its kind cannot be told: two servers, or two addresses of one, would have to answer')
    case 'blocked':
      return failing(
        'UDP does not get out of this network and back',
        'Allow UDP in the firewall, or try another network.',
      )
  }
}

const askForTurn = 'Ask the operator of your hub for a TURN server (hub --turn HOST).'

/** What matters beside the kind of router. */
export interface MeetingFacts {
  /** A TURN server relays. */
  readonly hasTurn: boolean
  readonly isPublicHub: boolean
  readonly relayOnly: boolean
}

/** Who can meet through this router, by its kind, and by whether a TURN server relays. */
export function judgeMeeting(kind: NatKind | undefined, { hasTurn, isPublicHub, relayOnly }: MeetingFacts): Diagnosis {
  if (relayOnly) {
    return hasTurn
      ? fine('everybody is met through TURN, as --relay-only asks')
      : failing(
          'nobody can be met: this peer connects through TURN only (--relay-only), and no TURN server works',
          askForTurn,
        )
  }
  switch (kind) {
    case undefined: {
      if (hasTurn) {
        const next = 'Ask the operator of your hub for a STUN server.'
        return warning('peers in other networks are met through TURN only', next)
      }
      const words = 'only peers in the same network can meet: the hub names no STUN or TURN server that works'
      const next = 'Ask the operator of your hub for both (hub --turn HOST).'
      // A hub inside a network may be for that alone.
      return isPublicHub ? failing(words, next) : warning(words, next)
    }
    case 'blocked':
      return hasTurn
        ? warning('peers in other networks are met through TURN only, which costs speed', 'Allow UDP in the firewall.')
        : failing(
            'only peers in the same network can meet: UDP is blocked, and no TURN server over TCP or TLS works',
            'Allow UDP in the firewall, try another network, or ask the operator of your hub for TURN over TLS (hub --turn HOST).',
          )
    case 'none':
    case 'cone': {
      const words = `two peers ${kind === 'none' ? 'on networks' : 'behind routers'} like this meet directly`
      return hasTurn
        ? fine(`${words}; TURN helps with stricter routers`)
        : warning(`${words}; with one behind a stricter router that may fail`, askForTurn)
    }
    case 'symmetric':
      return hasTurn
        ? fine('two peers behind routers like this cannot meet directly, and TURN helps')
        : failing('two peers behind routers like this cannot meet directly, and no TURN server works', askForTurn)
    case 'unknown':
      return hasTurn
        ? fine('whatever the kind of the router, TURN helps')
        : warning('two peers behind routers like this may not meet directly', askForTurn)
  }
}
