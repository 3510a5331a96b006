import { afterEach, describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import { createServer } from 'node:tls'
import { firstValueFrom, NEVER, of, Subject, type Subscription } from 'rxjs'
import { withNodeTls } from '../../../src/adapters/webrtc/turn-tls.node.js'
import type { RtcEvent, RtcOptions, RtcPort, RtcSignal } from '../../../src/ports.js'
import { readClientHello } from '../../../src/protocol/http/client-hello.js'
import { parseIceUrl } from '../../../src/protocol/signaling/ice-url.js'
import { temporaryFolders } from '../../cli/support/temporary.js'
import { makeCertificate } from '../../support/certificate.node.js'
import { describeIf, findProgram } from '../../support/requires.js'

const temporary = temporaryFolders()

/** An implementation that shows what it is asked for. */
function asked(events$: RtcPort['connect$'] = () => NEVER): {
  readonly rtc: RtcPort
  readonly options$: Promise<RtcOptions>
} {
  const options$ = new Subject<RtcOptions>()
  const connect$: RtcPort['connect$'] = options => {
    options$.next(options)
    return events$(options)
  }
  return { rtc: { name: 'fake', connect$ }, options$: firstValueFrom(options$) }
}

const credential = { username: 'u', credential: 'c' }
const urls = (options: RtcOptions): readonly string[] => options.iceServers.flatMap(server => server.urls)

describe('TURN over TLS', () => {
  const running: Subscription[] = []
  afterEach(() => running.splice(0).forEach(each => each.unsubscribe()))

  it('is TCP to this machine, and everything else stays', async () => {
    const { rtc, options$ } = asked()
    const servers = [
      { urls: 'stun:turn.example' },
      { urls: ['turn:turn.example', 'turns:turn.example', 'turn:turn.example?transport=tcp'], ...credential },
    ]
    running.push(withNodeTls(rtc).connect$({ initiator: true, iceServers: servers, remote$: NEVER }).subscribe())
    const options = await options$
    expect(options.iceServers[1]).toMatchObject(credential)
    const [stun, udp, tls, tcp] = urls(options)
    expect([stun, udp, tcp]).toEqual(['stun:turn.example', 'turn:turn.example', 'turn:turn.example?transport=tcp'])
    expect(parseIceUrl(tls!)).toMatchObject({ scheme: 'turn', host: '127.0.0.1', transport: 'tcp' })
  })

  it('costs nothing where there is none', () => {
    const { rtc } = asked(() => of<RtcEvent>({ type: 'engine', name: 'fake', greets: false }))
    const events: RtcEvent[] = []
    withNodeTls(rtc)
      .connect$({ initiator: true, iceServers: [{ urls: 'stun:turn.example' }], remote$: NEVER })
      .subscribe(event => events.push(event))
    expect(events).toHaveLength(1)
  })

  it('asks for the server by its name, and by none where it is an address', async () => {
    const listener = createTcpServer().listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const { port } = listener.address() as AddressInfo
    const names: unknown[] = []
    for (const host of ['localhost', '127.0.0.1']) {
      const { rtc, options$ } = asked()
      const iceServers = [{ urls: `turns:${host}:${port}`, ...credential }]
      const running$ = withNodeTls(rtc).connect$({ initiator: true, iceServers, remote$: NEVER })
      running.push(running$.subscribe())
      const [url] = urls(await options$)
      const accepted = once(listener, 'connection')
      const client = connect(parseIceUrl(url!)!.port, '127.0.0.1').on('error', () => undefined)
      const [socket] = (await accepted) as [Socket]
      socket.on('error', () => undefined)
      names.push(readClientHello((await once(socket, 'data'))[0] as Buffer))
      for (const each of [client, socket]) each.destroy()
    }
    listener.close()
    expect(names).toEqual([{ name: 'localhost' }, { name: undefined }])
  })

  it('loses nothing that arrives early, and ends with the connection', async () => {
    const seen: RtcSignal[] = []
    const events$ = new Subject<RtcEvent>()
    const { rtc, options$ } = asked(({ remote$ }) => {
      remote$.subscribe(signal => seen.push(signal))
      return events$
    })
    const remote$ = new Subject<RtcSignal>()
    const iceServers = [{ urls: 'turns:turn.example', ...credential }]
    const ended = new Promise<void>(complete => {
      running.push(withNodeTls(rtc).connect$({ initiator: false, iceServers, remote$ }).subscribe({ complete }))
    })
    remote$.next({ type: 'offer', sdp: 'v=0' })
    const { port } = parseIceUrl(urls(await options$)[0]!)!
    expect(seen).toEqual([{ type: 'offer', sdp: 'v=0' }])
    events$.complete()
    await ended
    const [refusal] = (await once(connect(port, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException]
    expect(refusal.code).toBe('ECONNREFUSED')
  })
})

describeIf(findProgram(['openssl']), 'needs openssl')('a TURN server whose certificate nobody vouches for', () => {
  it('gets no byte, and the connection to it ends', async () => {
    const { cert, key } = makeCertificate(temporary(), 'localhost')
    let bytes = 0
    const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, socket =>
      socket.on('data', (chunk: Buffer) => (bytes += chunk.length)).on('error', () => undefined),
    )
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { rtc, options$ } = asked()
    const iceServers = [{ urls: `turns:localhost:${(server.address() as AddressInfo).port}`, ...credential }]
    const running = withNodeTls(rtc).connect$({ initiator: true, iceServers, remote$: NEVER }).subscribe()
    const socket = connect(parseIceUrl(urls(await options$)[0]!)!.port, '127.0.0.1')
    socket
      .on('error', () => undefined)
      .resume()
      .write('hello')
    await once(socket, 'close')
    expect(bytes).toBe(0)
    running.unsubscribe()
    await once(server.close(), 'close')
  })
})
