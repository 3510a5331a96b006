/**
 * A UDP relay that adds delay: every ICE candidate is announced as a port of this process, which passes on what arrives
 * there so much later. Each address keeps one port, so that both ends see one partner.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { answerCalls } from './rpc.js'

/** A burst of one window must fit between two turns of this process. */
const socketBufferBytes = 4 * 1024 * 1024

/**
 * Delivered in one turn, at most: a late turn must not become a burst that overflows the receiver's socket, whose default
 * buffer holds about 90 packets. 40 in a millisecond are 48 MB/s.
 */
const burstPackets = 40

interface Address {
  readonly address: string
  readonly port: number
}

interface Delayed {
  readonly due: number
  readonly bytes: Uint8Array
  readonly from: Socket
  readonly to: Address
}

let oneWayMs = 0
const ports = new Map<string, Promise<Socket>>()
let queue: Delayed[] = []
let timer: NodeJS.Timeout | undefined

function deliver(): void {
  timer = undefined
  const now = performance.now()
  let index = 0
  for (; index < burstPackets && index < queue.length && queue[index]!.due <= now; index++) {
    const { from, bytes, to } = queue[index]!
    from.send(bytes, to.port, to.address)
  }
  queue = queue.slice(index)
  // A timer is late by up to a millisecond, never early.
  if (queue.length > 0) timer = setTimeout(deliver, Math.max(1, Math.floor(queue[0]!.due - now)))
}

/** What is sent to this port goes to `real`, and looks as if it came from the sender's own port here. */
function portFor(real: Address): Promise<Socket> {
  const key = `${real.address}:${real.port}`
  const present = ports.get(key)
  if (present !== undefined) return present
  const made = new Promise<Socket>((resolve, reject) => {
    const socket = createSocket('udp4')
    socket.once('error', reject)
    socket.on('message', (bytes: Uint8Array, sender: RemoteInfo) => {
      const due = performance.now() + oneWayMs
      void portFor(sender).then(from => {
        queue.push({ due, bytes, from, to: real })
        timer ??= setTimeout(deliver, Math.max(1, Math.floor(due - performance.now())))
      })
    })
    socket.bind(0, real.address, () => {
      socket.setRecvBufferSize(socketBufferBytes)
      socket.setSendBufferSize(socketBufferBytes)
      resolve(socket)
    })
  })
  ports.set(key, made)
  return made
}

answerCalls({
  delay: (milliseconds: number) => {
    oneWayMs = milliseconds
  },
  announce: async (real: Address): Promise<number> => (await portFor(real)).address().port,
})
