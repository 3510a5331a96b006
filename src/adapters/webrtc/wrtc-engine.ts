import type { RtcPort } from '../../ports.js'
import { type Description, overridden, type WebRtcImplementation } from './native-connection.js'
import { type RtcQuirks, simplePeerRtc } from './simple-peer.js'

const quirks: RtcQuirks = {
  // It registers twice for what arrives on a channel that the other side has made: what comes in between gets behind what
  // follows it, once in some hundred connections.
  greets: true,
  // Its buffer does not count the first two megabytes, which lie in SCTP's own: there the depth delays nothing, and lets
  // more through between two looks.
  highWaterBytes: 512 * 1024,
}

/** Sets a description, and reports it once that has succeeded. */
function notifying(set: (description: Description) => unknown, onSet: (description: Description) => void) {
  return async (description: Description): Promise<void> => {
    await set(description)
    const { type, sdp } = description
    onSet({ type, sdp })
  }
}

/**
 * `localDescription` and `remoteDescription` are what was set, without the candidates that the standard adds to them. With
 * trickle on nobody needs those, and wrtc writes them down on the thread of the program while another of its threads adds
 * to them, which ends the process with a segmentation fault (docs/DECISIONS.md).
 */
function keepingDescriptions(implementation: WebRtcImplementation): WebRtcImplementation {
  return overridden(implementation, () => {
    let local: Description | null = null
    let remote: Description | null = null
    return {
      get(key, read) {
        if (key === 'localDescription') return local
        if (key === 'remoteDescription') return remote
        const set = read() as (description: Description) => unknown
        if (key === 'setLocalDescription') return notifying(set, description => (local = description))
        if (key === 'setRemoteDescription') return notifying(set, description => (remote = description))
        return set
      },
    }
  })
}

/** @roamhq/wrtc, with what is peculiar to it. */
export function wrtcRtc(implementation: WebRtcImplementation): RtcPort {
  return simplePeerRtc('wrtc', keepingDescriptions(implementation), quirks)
}
