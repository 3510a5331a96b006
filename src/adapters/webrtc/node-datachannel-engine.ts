import type { IceServer, RtcPort } from '../../ports.js'
import { parseIceUrl } from '../../protocol/signaling/ice-url.js'
import { overridden, type WebRtcImplementation } from './native-connection.js'
import { simplePeerRtc } from './simple-peer.js'

/**
 * For `setSctpSettings`, which is global, holds for connections made afterwards, and sets what a call does not name to its
 * default. A receiver that waits 200 ms with its acknowledgement, as is usual, sets off the sender's retransmission timer
 * through the tunnel without any loss (docs/PERFORMANCE.md).
 */
export const sctpSettings = { delayedSackTime: 1 } as const

/**
 * How the side that offers opens the channel: with 65,535 retransmissions a message, which is no limit, since an association
 * ends long before. Named or not makes a difference to usrsctp on both sides: only where such messages are under way does it
 * start its retransmission timer anew with each acknowledgement, as RFC 9260 section 6.3.2 asks. Else the timer runs out every
 * 400 ms whatever arrives, and whatever is then a few milliseconds later than usual counts as lost: the congestion window goes
 * back to one packet, and a transfer at 80 ms falls from 9 MB/s to 1 without any loss (docs/PERFORMANCE.md).
 */
export const channelInit = { maxRetransmits: 65_535 } as const

/**
 * The servers that libjuice can use: STUN, and TURN with a credential, both over UDP. What it cannot use would be refused with
 * the whole connection. Name and credential become part of an address, so they are percent-encoded.
 */
function usableServers(servers: readonly IceServer[]): readonly IceServer[] {
  return servers.flatMap(({ urls, username = '', credential = '' }) =>
    (typeof urls === 'string' ? [urls] : urls).flatMap((url): readonly IceServer[] => {
      const { scheme, transport } = parseIceUrl(url) ?? {}
      if (transport !== 'udp') return []
      if (scheme === 'stun') return [{ urls: url }]
      if (username === '' || credential === '') return []
      return [{ urls: url, username: encodeURIComponent(username), credential: encodeURIComponent(credential) }]
    }),
  )
}

type Handler = (event: unknown) => void

/**
 * The implementation with connections that tell last that they are closed. Each kind of event has a queue of its own on the
 * way from the library's threads, and those of a connection are looked at before those of its channel: when the other side
 * has closed, the last messages and the end of the channel may still lie there, and simple-peer would drop them for an error.
 */
export function closedLast(implementation: WebRtcImplementation): WebRtcImplementation {
  return overridden(implementation, native => ({
    get: (_key, read) => read(),
    set(key, value) {
      if (key !== 'oniceconnectionstatechange' || typeof value !== 'function') return value
      const handler = value as Handler
      return (event: unknown): void => {
        // A timer runs after all that has arrived, and after the turn in which a channel reports its end.
        if (native.iceConnectionState === 'closed') setTimeout(handler, 0, event)
        else handler(event)
      }
    },
  }))
}

/**
 * node-datachannel (libdatachannel, libjuice, usrsctp), with what is peculiar to it.
 *
 * @param addresses the machine's, without loopback ones. libjuice names no loopback address by itself: on a machine
 * without a network, where peers can only be on the machine itself, connections are bound to one.
 */
export function nodeDatachannelRtc(implementation: WebRtcImplementation, addresses: () => readonly string[]): RtcPort {
  return simplePeerRtc('node-datachannel', closedLast(implementation), {
    // Milliseconds where the standard has seconds; windows would grow a thousandfold.
    roundTripUnitMs: 1,
    candidatesAfterAnswer: true,
    addresses,
    channelInit,
    config: () => (addresses().length === 0 ? { bindAddress: '127.0.0.1' } : {}),
    iceServers: usableServers,
  })
}
