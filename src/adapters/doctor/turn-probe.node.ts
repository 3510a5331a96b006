import { createHash, createHmac, randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns'
import { connect as connectTcp } from 'node:net'
import { Observable, type Subscriber } from 'rxjs'
import { connectTls } from '../tcp/tls.node.js'
import type { TurnFound } from '../../protocol/doctor/nat.js'
import type { IceUrl } from '../../protocol/signaling/ice-url.js'
import { transactionIdBytes } from '../../protocol/signaling/stun.js'
import {
  type Allocation,
  splitStun,
  startAllocation,
  stepAllocation,
  type TurnSigner,
} from '../../protocol/signaling/turn-allocate.js'

const limitMs = 3_500

/** When a datagram that was not answered is sent again. */
const againAfterMs = [300, 900, 1_800]

/** What sends to the server. */
interface Line {
  send(bytes: Uint8Array): void
}

/** The dialogue with one server over whatever carries it. */
function dialogue(
  signer: TurnSigner,
  subscriber: Subscriber<TurnFound>,
  line: Line,
): { readonly take: (bytes: Uint8Array) => void; readonly last: () => Uint8Array | undefined } {
  let [state, last]: [Allocation, Uint8Array | undefined] = [...startAllocation(signer)]
  line.send(last!)
  return {
    take(bytes) {
      const [next, request] = stepAllocation(state, bytes, signer)
      if (next === state) return
      ;[state, last] = [next, request]
      if (request !== undefined) line.send(request)
      if (next.type !== 'done') return
      subscriber.next(next.outcome)
      subscriber.complete()
    },
    last: () => last,
  }
}

function overUdp(server: IceUrl, signer: TurnSigner, subscriber: Subscriber<TurnFound>): void {
  lookup(server.host, (failure, address, family) => {
    if (subscriber.closed) return
    const unreachable = (error: Error): void => {
      subscriber.next({ type: 'unreachable', reason: error.message })
      subscriber.complete()
    }
    if (failure !== null) return unreachable(failure)
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4')
    let isOpen = true
    let sending = 0
    const closeIfSent = (): void => {
      if (!isOpen && sending === 0) socket.close()
    }
    subscriber.add(() => {
      isOpen = false
      // The last thing that is sent gives the allocation back.
      closeIfSent()
    })
    socket.on('error', unreachable)
    const send = (bytes: Uint8Array): void => {
      if (!isOpen) return
      sending += 1
      socket.send(bytes, server.port, address, () => {
        sending -= 1
        closeIfSent()
      })
    }
    socket.bind(0, () => {
      const { take, last } = dialogue(signer, subscriber, { send })
      socket.on('message', take)
      const again = againAfterMs.map(ms =>
        setTimeout(() => {
          const bytes = last()
          if (bytes !== undefined) send(bytes)
        }, ms),
      )
      subscriber.add(() => again.forEach(timer => clearTimeout(timer)))
    })
  })
}

function overTcp(server: IceUrl, signer: TurnSigner, subscriber: Subscriber<TurnFound>): void {
  const { host, port, transport } = server
  const isTls = transport === 'tls'
  const socket = isTls ? connectTls(server) : connectTcp({ host, port })
  subscriber.add(() => socket.destroy())
  socket.on('error', error => {
    subscriber.next({ type: 'unreachable', reason: error.message })
    subscriber.complete()
  })
  socket.on('close', () => {
    subscriber.next({ type: 'unreachable', reason: 'it closed the connection' })
    subscriber.complete()
  })
  socket.once(isTls ? 'secureConnect' : 'connect', () => {
    const { take } = dialogue(signer, subscriber, { send: bytes => void socket.write(bytes) })
    let rest: Uint8Array = new Uint8Array(0)
    socket.on('data', chunk => {
      const split = splitStun(rest, chunk)
      rest = split.rest
      split.messages.forEach(take)
    })
  })
}

/** Asks a TURN server for an allocation with these credentials, and gives it back. */
export function turnProbe$(
  server: IceUrl,
  credentials: { readonly username: string; readonly credential: string },
): Observable<TurnFound> {
  const signer: TurnSigner = {
    ...credentials,
    transactionId: () => randomBytes(transactionIdBytes),
    md5: text => createHash('md5').update(text).digest(),
    hmacSha1: (key, bytes) => createHmac('sha1', key).update(bytes).digest(),
  }
  return new Observable(subscriber => {
    const timer = setTimeout(() => {
      subscriber.next({ type: 'silent' })
      subscriber.complete()
    }, limitMs)
    subscriber.add(() => clearTimeout(timer))
    if (server.transport === 'udp') overUdp(server, signer, subscriber)
    else overTcp(server, signer, subscriber)
  })
}
