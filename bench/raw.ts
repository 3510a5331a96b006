/**
 * What the tunnel is compared with: a data channel of the WebRTC implementation with nothing of this project in between,
 * the same between two TCP connections, and simple-peer's own stream over the same implementation.
 */
import type { Socket } from 'node:net'
import SimplePeer from 'simple-peer'
import { channelLabel, oneChannelOnly, type WebRtcImplementation } from '../src/adapters/webrtc/native-connection.js'
import type { RtcSignal } from '../src/ports.js'

/** Enough for 100 MB/s with a look every 4 ms, and far below the 16 MiB past which wrtc drops. */
const rawGateBytes = 1024 * 1024

/** One direction of bytes, from the side that answers to the side that offers. */
export interface Pipe {
  readonly signal: (signal: RtcSignal) => void
  /** Sends as fast as it goes until `stop`. */
  readonly push: (messageBytes: number) => void
  /** Bytes sent in all since the start, once no more are sent. */
  readonly stop: () => number
  readonly receivedBytes: () => number
  readonly opened: Promise<void>
  readonly close: () => void
}

export interface RawPipe extends Pipe {
  /**
   * Joins a TCP connection with the channel as shortly as that can be written: its reads are messages, messages are written to
   * it. No frames, no streams, no windows, and nothing ends properly. `stop` ends it.
   */
  readonly carry: (socket: Socket) => void
}

export interface PipeOptions {
  readonly initiator: boolean
  readonly implementation: WebRtcImplementation
  /** How the peers open their channel over this implementation. */
  readonly init: object
  readonly onSignal: (signal: RtcSignal) => void
}

interface Channel {
  binaryType: string
  readonly bufferedAmount: number
  onopen: () => void
  onmessage: (event: { readonly data: ArrayBuffer }) => void
  send(bytes: Uint8Array): void
}

interface Connection {
  onicecandidate: (event: { readonly candidate: RTCCandidate | null }) => void
  ondatachannel: (event: { readonly channel: Channel }) => void
  createDataChannel(label: string, options: object): Channel
  createOffer(): Promise<Description>
  createAnswer(): Promise<Description>
  setLocalDescription(description: Description): Promise<void>
  setRemoteDescription(description: Description): Promise<void>
  addIceCandidate(candidate: RTCCandidate): Promise<void>
  close(): void
}
interface Description {
  readonly type: 'offer' | 'answer'
  readonly sdp: string
}
interface RTCCandidate {
  readonly candidate: string
  readonly sdpMid: string | null
  readonly sdpMLineIndex: number | null
}

/** Sends through `turn` once a millisecond: it returns how many bytes it handed over. */
function pump(turn: () => number): { start(): void; stop(): number } {
  let sent = 0
  let timer: NodeJS.Timeout | undefined
  return {
    start: () => {
      timer ??= setInterval(() => {
        sent += turn()
      }, 1)
    },
    stop: () => {
      clearInterval(timer)
      timer = undefined
      return sent
    },
  }
}

/** The bare channel, with a gate on the buffered amount, which does not move within a turn. */
export function rawPipe({ initiator, implementation, init, onSignal }: PipeOptions): RawPipe {
  const connection = new implementation.RTCPeerConnection({ iceServers: [] }) as unknown as Connection
  let received = 0
  let current: Channel | undefined
  let message = new Uint8Array(0)
  let opened = (): void => {}
  const opened$ = new Promise<void>(resolve => (opened = resolve))
  const early: RTCCandidate[] = []
  let described = false

  const use = (channel: Channel): void => {
    channel.binaryType = 'arraybuffer'
    current = channel
    channel.onopen = opened
    channel.onmessage = ({ data }) => (received += data.byteLength)
  }
  const describe = async (description: Description): Promise<void> => {
    const { type, sdp } = description
    await connection.setLocalDescription({ type, sdp })
    onSignal({ type, sdp })
  }
  const accept = async (signal: RtcSignal): Promise<void> => {
    if (signal.type === 'candidate') {
      const { candidate, sdpMid, sdpMLineIndex } = signal
      if (described) await connection.addIceCandidate({ candidate, sdpMid, sdpMLineIndex })
      else early.push({ candidate, sdpMid, sdpMLineIndex })
      return
    }
    await connection.setRemoteDescription({ type: signal.type, sdp: signal.sdp })
    described = true
    if (signal.type === 'offer') await describe(await connection.createAnswer())
    for (const candidate of early.splice(0)) await connection.addIceCandidate(candidate)
  }
  connection.onicecandidate = ({ candidate }) => {
    if (candidate === null || candidate.candidate === '') return
    const { sdpMid, sdpMLineIndex } = candidate
    onSignal({ type: 'candidate', candidate: candidate.candidate, sdpMid, sdpMLineIndex })
  }
  connection.ondatachannel = ({ channel }) => {
    use(channel)
    opened()
  }
  if (initiator) {
    use(connection.createDataChannel('data', init))
    void connection.createOffer().then(describe)
  }
  let carried: Socket | undefined
  let carriedBytes = 0
  const carry = (socket: Socket): void => {
    const channel = current!
    let ahead = 0
    let timer: NodeJS.Timeout | undefined
    const look = (): void => {
      ahead = channel.bufferedAmount
      if (ahead >= rawGateBytes) return
      clearInterval(timer)
      socket.resume()
    }
    carried = socket
    channel.onmessage = ({ data }) => {
      received += data.byteLength
      socket.write(new Uint8Array(data))
    }
    socket.on('data', (bytes: Uint8Array) => {
      channel.send(bytes)
      carriedBytes += bytes.length
      ahead += bytes.length
      if (ahead < rawGateBytes) return
      socket.pause()
      timer = setInterval(look, 1)
    })
    // The client hangs up when it has read enough, which is no failure here.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => clearInterval(timer))
  }
  const { start, stop } = pump(() => {
    let bytes = 0
    for (const before = current!.bufferedAmount; before + bytes < rawGateBytes; bytes += message.length) {
      current!.send(message)
    }
    return bytes
  })
  return {
    signal: signal => void accept(signal),
    push: messageBytes => {
      message = new Uint8Array(messageBytes).fill(7)
      start()
    },
    carry,
    stop: () => {
      carried?.destroy()
      return stop() + carriedBytes
    },
    receivedBytes: () => received,
    opened: opened$,
    close: () => connection.close(),
  }
}

/** simple-peer's own stream: `write` until it asks to wait, again on `drain`. */
export function simplePeerPipe({ initiator, implementation, init, onSignal }: PipeOptions): Pipe {
  const options = {
    initiator,
    wrtc: oneChannelOnly(implementation),
    trickle: true,
    channelName: channelLabel,
    channelConfig: init,
    iceCompleteTimeout: 1,
  }
  const peer = new SimplePeer({ ...options, config: { iceServers: [] } })
  let received = 0
  let sent = 0
  let message: Uint8Array | undefined
  const write = (): void => {
    while (message !== undefined) {
      sent += message.length
      if (!peer.write(message)) return
    }
  }
  peer.on('error', error => {
    throw error
  })
  peer.on('drain', write)
  peer.on('data', (bytes: Uint8Array) => (received += bytes.length))
  peer.on('signal', data => {
    if (data.type === 'offer' || data.type === 'answer') onSignal({ type: data.type, sdp: data.sdp! })
    if (data.type !== 'candidate' || !data.candidate.candidate) return
    const { candidate, sdpMid, sdpMLineIndex } = data.candidate
    onSignal({ type: 'candidate', candidate, sdpMid: sdpMid ?? null, sdpMLineIndex: sdpMLineIndex ?? null })
  })
  return {
    signal: signal => {
      if (signal.type !== 'candidate') return peer.signal(signal as SimplePeer.SignalData)
      const { candidate, sdpMid, sdpMLineIndex } = signal
      peer.signal({ type: 'candidate', candidate: { candidate, sdpMid, sdpMLineIndex } } as SimplePeer.SignalData)
    },
    push: messageBytes => {
      message = new Uint8Array(messageBytes).fill(7)
      write()
    },
    stop: () => {
      message = undefined
      return sent
    },
    receivedBytes: () => received,
    opened: new Promise(resolve => peer.once('connect', () => resolve())),
    close: () => peer.destroy(),
  }
}
