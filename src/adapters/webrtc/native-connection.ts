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
  readonly iceConnectionState?: string
}

/** A description as a plain object, which the ones of some implementations are not. */
export interface Description {
  readonly type: string
  readonly sdp: string
}

type Method = (...args: unknown[]) => unknown

/** What of a native connection is different. `read` gives the native value, methods bound to their connection. */
export interface Override {
  get(key: PropertyKey, read: () => unknown): unknown
  set?(key: PropertyKey, value: unknown): unknown
}

/** The implementation with connections that differ from the native ones. `override` is called for each. */
export function overridden(
  implementation: WebRtcImplementation,
  override: (native: NativeConnection) => Override,
): WebRtcImplementation {
  const Native = implementation.RTCPeerConnection
  function Connection(configuration?: object): object {
    const native = new Native(configuration)
    const own = override(native)
    return new Proxy(native, {
      get: (target, key) =>
        own.get(key, () => {
          const value: unknown = Reflect.get(target, key, target)
          // Native methods work on the native object only.
          return typeof value === 'function' ? (value.bind(target) as Method) : value
        }),
      set: (target, key, value: unknown) =>
        Reflect.set(target, key, own.set === undefined ? value : own.set(key, value), target),
    })
  }
  return {
    RTCPeerConnection: Connection as unknown as WebRtcImplementation['RTCPeerConnection'],
    RTCSessionDescription: implementation.RTCSessionDescription,
    RTCIceCandidate: implementation.RTCIceCandidate,
  }
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

function asPlainObject(create: Method): (...args: unknown[]) => Promise<Description> {
  return async (...args) => {
    const { type, sdp } = (await create(...args)) as Description
    return { type, sdp }
  }
}

function forgiving(add: Method): (...args: unknown[]) => Promise<void> {
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
 * new descriptions are plain objects; useless candidates are ignored.
 */
export function oneChannelOnly(implementation: WebRtcImplementation): WebRtcImplementation {
  return overridden(implementation, native => {
    // The side that offers makes the one channel itself: simple-peer sets no handler there.
    native.ondatachannel = closeChannel
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
    return {
      get(key, read) {
        if (key === 'createOffer' || key === 'createAnswer') return asPlainObject(read() as Method)
        return key === 'addIceCandidate' ? forgiving(read() as Method) : read()
      },
      set: (key, value) =>
        key === 'ondatachannel' && typeof value === 'function' ? onlyData(value as DataChannelHandler) : value,
    }
  })
}
