import { createSocket, type Socket } from 'node:dgram'
import { type LookupAddress, lookup } from 'node:dns'
import { randomBytes } from 'node:crypto'
import { Observable } from 'rxjs'
import type { Seen } from '../../protocol/doctor/nat.js'
import type { IceUrl } from '../../protocol/signaling/ice-url.js'
import {
  answers,
  bindingRequest,
  parseStun,
  type SeenAddress,
  stunAttributes,
  transactionIdBytes,
  xorAddress,
} from '../../protocol/signaling/stun.js'

/** When a question is sent, and when it counts as not answered: datagrams get lost. */
const sendAtMs = [0, 250, 750]
const giveUpMs = 1_500

/** Addresses of one server that are asked: two of them say as much about the router as two servers. */
const maxAddresses = 2

interface Question {
  readonly server: IceUrl
  readonly asked: SeenAddress
  readonly transactionId: Uint8Array
}

/**
 * What each server sees of this machine, asked from one socket for each family, so that the answers can be compared. A server
 * with several addresses is there once for each that answered.
 */
export function stunProbe$(servers: readonly IceUrl[]): Observable<readonly Seen[]> {
  return new Observable(subscriber => {
    const startMs = performance.now()
    const sockets = new Map<number, Socket>()
    const timers: NodeJS.Timeout[] = []
    const questions: Question[] = []
    const seen: Seen[] = []
    let lookingUp = servers.length
    const finish = (): void => {
      const silent = servers.filter(server => !seen.some(each => each.server === server))
      const ms = Math.round(performance.now() - startMs)
      subscriber.next([...seen, ...silent.map(server => ({ server, asked: undefined, mapped: undefined, ms }))])
      subscriber.complete()
    }
    const finishIfAll = (): void => {
      if (lookingUp === 0 && questions.length === 0) finish()
    }
    timers.push(setTimeout(finish, giveUpMs))
    subscriber.add(() => {
      timers.forEach(timer => clearTimeout(timer))
      for (const socket of sockets.values()) socket.close()
    })

    const onMessage = (bytes: Uint8Array): void => {
      const at = questions.findIndex(({ transactionId }) => answers(bytes, transactionId))
      const message = at < 0 ? undefined : parseStun(bytes)
      const mapped: SeenAddress | undefined = message && xorAddress(message, stunAttributes.xorMappedAddress)
      if (mapped === undefined) return
      const [{ server, asked }] = questions.splice(at, 1) as [Question]
      seen.push({ server, asked, mapped, ms: Math.round(performance.now() - startMs) })
      finishIfAll()
    }
    const socketFor = (family: number): Socket => {
      const made = sockets.get(family) ?? createSocket(family === 6 ? 'udp6' : 'udp4')
      if (sockets.has(family)) return made
      sockets.set(family, made)
      // A network that refuses to send is like a silent one.
      made.on('error', () => undefined)
      made.on('message', onMessage)
      return made
    }
    const ask = (server: IceUrl, { address, family }: LookupAddress): void => {
      const asked = { address, port: server.port }
      const question = { server, asked, transactionId: randomBytes(transactionIdBytes) }
      questions.push(question)
      const send = (): void => {
        if (!questions.includes(question)) return
        socketFor(family).send(bindingRequest(question.transactionId), server.port, address, () => undefined)
      }
      timers.push(...sendAtMs.map(ms => setTimeout(send, ms)))
    }
    for (const server of servers) {
      lookup(server.host, { all: true }, (failure, addresses) => {
        if (subscriber.closed) return
        lookingUp -= 1
        if (failure === null) addresses.slice(0, maxAddresses).forEach(address => ask(server, address))
        finishIfAll()
      })
    }
    finishIfAll()
  })
}
