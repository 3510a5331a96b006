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

type NativeConnection = object

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

function asPlainObject(create: (...args: unknown[]) => unknown): (...args: unknown[]) => Promise<object> {
  return async (...args) => {
    const { type, sdp } = (await create(...args)) as { type: string; sdp: string }
    return { type, sdp }
  }
}

/**
 * The implementation with connections that keep to the protocol: only the first reliable, ordered channel labelled `data`
 * is seen, any other is closed (simple-peer would let it replace the first); descriptions are plain objects, which
 * node-datachannel's are not.
 */
export function oneChannelOnly(implementation: WebRtcImplementation): WebRtcImplementation {
  const Native = implementation.RTCPeerConnection
  function Connection(configuration?: object): NativeConnection {
    const native = new Native(configuration)
    let seen = false
    const onlyData =
      (handler: DataChannelHandler): DataChannelHandler =>
      event => {
        if (seen || !isData(event.channel)) {
          event.channel.close()
          return
        }
        seen = true
        handler(event)
      }
    return new Proxy(native, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key, target)
        if (typeof value !== 'function') return value
        // Native methods work on the native object only.
        const method = value.bind(target) as (...args: unknown[]) => unknown
        return key === 'createOffer' || key === 'createAnswer' ? asPlainObject(method) : method
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
