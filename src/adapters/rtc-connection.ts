/** What simple-peer needs of a WebRTC implementation. Wide on purpose: no type of one implementation leaks out. */
export interface WebRtcImplementation {
  readonly RTCPeerConnection: new (configuration?: object) => NativeConnection
  readonly RTCSessionDescription: unknown
  readonly RTCIceCandidate: unknown
}

interface NativeChannel {
  readonly label: string
  readonly ordered: boolean
  readonly maxRetransmits?: number | null
  readonly maxPacketLifeTime?: number | null
  close(): void
}

type DataChannelHandler = (event: { readonly channel: NativeChannel }) => void

interface NativeConnection {
  ondatachannel: DataChannelHandler | null
}

/** The label of the one data channel of a connection (docs/PROTOCOL.md section 1). */
export const channelLabel = 'data'

/** How wrtc says "no limit"; the standard says null. */
const unlimited = 65_535

function isReliable(limit: number | null | undefined): boolean {
  return limit === null || limit === undefined || limit === unlimited
}

function isData({ label, ordered, maxRetransmits, maxPacketLifeTime }: NativeChannel): boolean {
  return label === channelLabel && ordered && isReliable(maxRetransmits) && isReliable(maxPacketLifeTime)
}

interface Description {
  readonly type: string
  readonly sdp: string
}

function asPlainObject(create: (...args: unknown[]) => unknown): (...args: unknown[]) => Promise<Description> {
  return async (...args) => {
    const { type, sdp } = (await create(...args)) as Description
    return { type, sdp }
  }
}

/** Sets a description, and tells which one when that has succeeded. */
function telling(
  set: (...args: unknown[]) => unknown,
  told: (description: Description) => void,
): (description: Description) => Promise<void> {
  return async description => {
    await set(description)
    const { type, sdp } = description
    told({ type, sdp })
  }
}

function forgiving(add: (...args: unknown[]) => unknown): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    try {
      await add(...args)
    } catch {
      // A candidate that cannot be used is one way less. simple-peer would print, or end the connection.
    }
  }
}

const closeChannel: DataChannelHandler = ({ channel }) => channel.close()

/**
 * The implementation with connections that keep to the protocol: only the first reliable, ordered channel labelled `data`
 * is seen by the side that answers, any other is closed on either side (simple-peer would let it replace the first);
 * descriptions are plain objects, which node-datachannel's are not; useless candidates are ignored.
 *
 * `localDescription` and `remoteDescription` are what was set, without the candidates that the standard adds to them. With
 * trickle on nobody needs those, and wrtc writes them down on the thread of the program while another of its threads adds
 * to them, which ends the process with a segmentation fault (docs/DECISIONS.md).
 */
export function oneChannelOnly(implementation: WebRtcImplementation): WebRtcImplementation {
  const Native = implementation.RTCPeerConnection
  function Connection(configuration?: object): object {
    const native = new Native(configuration)
    // The side that offers makes the one channel itself: simple-peer sets no handler there.
    native.ondatachannel = closeChannel
    const descriptions: { local: Description | null; remote: Description | null } = { local: null, remote: null }
    let seen = false
    const onlyData =
      (handler: DataChannelHandler): DataChannelHandler =>
      event => {
        if (seen || !isData(event.channel)) {
          closeChannel(event)
          return
        }
        seen = true
        handler(event)
      }
    return new Proxy(native, {
      get(target, key) {
        if (key === 'localDescription') return descriptions.local
        if (key === 'remoteDescription') return descriptions.remote
        const value: unknown = Reflect.get(target, key, target)
        if (typeof value !== 'function') return value
        // Native methods work on the native object only.
        const method = value.bind(target) as (...args: unknown[]) => unknown
        if (key === 'createOffer' || key === 'createAnswer') return asPlainObject(method)
        if (key === 'setLocalDescription') return telling(method, description => (descriptions.local = description))
        if (key === 'setRemoteDescription') return telling(method, description => (descriptions.remote = description))
        return key === 'addIceCandidate' ? forgiving(method) : method
      },
      set(target, key, value: unknown) {
        const own =
          key === 'ondatachannel' && typeof value === 'function' ? onlyData(value as DataChannelHandler) : value
        return Reflect.set(target, key, own, target)
      },
    })
  }
  return {
    RTCPeerConnection: Connection as unknown as WebRtcImplementation['RTCPeerConnection'],
    RTCSessionDescription: implementation.RTCSessionDescription,
    RTCIceCandidate: implementation.RTCIceCandidate,
  }
}
