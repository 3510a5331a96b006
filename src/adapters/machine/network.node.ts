import { createSocket } from 'node:dgram'
import { type LookupAddress, lookup } from 'node:dns'
import { randomBytes } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import { Observable } from 'rxjs'
import type { NetworkPort } from '../../ports.js'
import { bindingRequest, isBindingAnswer, transactionIdBytes } from '../../protocol/signaling/stun.js'

/**
 * When the question is sent, and when it counts as not answered: datagrams get lost. Whoever connects at once waits for that, so that
 * the longest round trip which is given a second chance is that of a slow mobile network, 0.4 s.
 */
const sendAtMs = [0, 150, 400]
const giveUpMs = 800

/** Addresses of a name that are asked. */
const maxAddresses = 4

/** The network of this machine. */
export const nodeNetwork: NetworkPort = {
  addresses: () =>
    Object.values(networkInterfaces())
      .flatMap((list = []) => list)
      .filter(({ internal }) => !internal)
      .map(({ address }) => address)
      .sort(),
  asksUdp$: ({ host, port }) =>
    new Observable(subscriber => {
      const timers: NodeJS.Timeout[] = []
      const answer = (answered: boolean): void => {
        subscriber.next(answered)
        subscriber.complete()
      }
      // A process that had no turn for that long reads first what has come meanwhile.
      timers.push(setTimeout(() => setImmediate(answer, false), giveUpMs))
      subscriber.add(() => timers.forEach(timer => clearTimeout(timer)))
      const ask = ({ address, family }: LookupAddress): void => {
        const transactionId = randomBytes(transactionIdBytes)
        const socket = createSocket(family === 6 ? 'udp6' : 'udp4')
        subscriber.add(() => socket.close())
        // A network that refuses to send, or reports an unreachable host, is asked again like a silent one.
        socket.on('error', () => undefined)
        socket.on('message', message => {
          if (isBindingAnswer(message, transactionId)) answer(true)
        })
        const send = (): void => socket.send(bindingRequest(transactionId), port, address, () => undefined)
        timers.push(...sendAtMs.map(ms => setTimeout(send, ms)))
      }
      lookup(host, { all: true }, (failure, found) => {
        if (subscriber.closed) return
        if (failure !== null) return answer(false)
        // A name often has an address of each family, of which one may lead nowhere from here.
        found.slice(0, maxAddresses).forEach(ask)
      })
    }),
}
