import { lookup } from 'node:dns'
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { Observable } from 'rxjs'
import type { HubFound } from '../../protocol/doctor/hub.js'
import { parseMembers } from '../../protocol/json.js'
import { unreachableReason } from '../../protocol/signaling/hub-failure.js'
import { isPublicKey } from '../../protocol/signaling/signal.js'

const limitMs = 4_500

/** An answer of a hub has a few hundred. */
const maxBodyBytes = 65_536

/** Asks for the hub's health once. The addresses come from a lookup of its own, since the request stops at the first that works. */
export function hubProbe$(origin: string): Observable<HubFound> {
  return new Observable(subscriber => {
    const url = new URL('/v1/health', origin)
    let found: HubFound = { origin }
    let sinceMs = performance.now()
    const took = (): number => {
      const ms = Math.round(performance.now() - sinceMs)
      sinceMs = performance.now()
      return ms
    }
    const finish = (last: Partial<HubFound> = {}): void => {
      subscriber.next({ ...found, ...last })
      subscriber.complete()
    }
    const fail = (error: NodeJS.ErrnoException): void => finish({ failure: unreachableReason(origin, error) })
    const timer = setTimeout(() => finish({ failure: `no answer within ${limitMs / 1000} s` }), limitMs)
    subscriber.add(() => clearTimeout(timer))

    const follow = (request: ClientRequest): void => {
      subscriber.add(() => request.destroy())
      request.on('error', fail)
      request.once('socket', socket => {
        socket.once('connect', () => {
          const { remoteAddress: address } = socket
          found = { ...found, ...(address !== undefined && { address }), connectMs: took() }
        })
        socket.once('secureConnect', () => {
          const { valid_to: validTo } = (socket as TLSSocket).getPeerCertificate()
          found = { ...found, validToMs: Date.parse(validTo), secureMs: took() }
        })
      })
      request.once('response', (response: IncomingMessage) => {
        const answeredMs = Date.now()
        const answerMs = took()
        const { statusCode: status = 0, headers } = response
        // The header has whole seconds; half a second is what it leaves out on average, and half of the way what it took to come.
        const toldMs = Date.parse(headers.date ?? '') + 500 + answerMs / 2
        const clockAheadMs = toldMs - answeredMs
        found = { ...found, status, answerMs, ...(Number.isFinite(clockAheadMs) && { clockAheadMs }) }
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (text: string) => {
          body += text
          if (body.length > maxBodyBytes) request.destroy()
        })
        response.on('end', () => {
          const { hub_key: hubKey } = parseMembers(body)
          finish(isPublicKey(hubKey) ? { hubKey } : {})
        })
        response.on('error', fail)
      })
      request.end()
    }

    lookup(url.hostname.replace(/^\[(.*)\]$/, '$1'), { all: true }, (failure, addresses) => {
      if (subscriber.closed) return
      if (failure !== null) return finish({ failure: failure.message })
      found = { ...found, addresses: [...new Set(addresses.map(({ address }) => address))], lookUpMs: took() }
      follow((url.protocol === 'https:' ? requestHttps : requestHttp)(url, { agent: false }))
    })
  })
}
