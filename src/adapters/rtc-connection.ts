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

interface NativeConnection {
  ondatachannel: ((event: { channel: NativeChannel }) => void) | null
  addEventListener(type: 'datachannel', listener: (event: { channel: NativeChannel }) => void): void
  createOffer(options?: object): Promise<{ type: string; sdp: string }>
  createAnswer(options?: object): Promise<{ type: string; sdp: string }>
}

/** The label of the one data channel of a connection (docs/PROTOCOL.md section 1). */
export const channelLabel = 'data'

function isData(channel: NativeChannel): boolean {
  return (
    channel.label === channelLabel &&
    channel.ordered &&
    channel.maxRetransmits == null &&
    channel.maxPacketLifeTime == null
  )
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
    const { createOffer, createAnswer } = native
    native.createOffer = async options => {
      const { type, sdp } = await createOffer.call(native, options)
      return { type, sdp }
    }
    native.createAnswer = async options => {
      const { type, sdp } = await createAnswer.call(native, options)
      return { type, sdp }
    }
    let handler: NativeConnection['ondatachannel'] = null
    let seen = false
    native.addEventListener('datachannel', event => {
      if (seen || !isData(event.channel)) {
        event.channel.close()
        return
      }
      seen = true
      handler?.(event)
    })
    Object.defineProperty(native, 'ondatachannel', {
      get: () => handler,
      set: (value: NativeConnection['ondatachannel']) => {
        handler = value
      },
    })
    return native
  }
  return {
    RTCPeerConnection: Connection as unknown as WebRtcImplementation['RTCPeerConnection'],
    RTCSessionDescription: implementation.RTCSessionDescription,
    RTCIceCandidate: implementation.RTCIceCandidate,
  }
}
