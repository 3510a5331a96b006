import { describe, expect, it } from '@jest/globals'
import { catchError, Observable, Subject, type Subscriber } from 'rxjs'
import type { PathKind, TcpListenEvent } from '../../../src/ports.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { encodeFrames } from '../../../src/protocol/mux/frame.js'
import { maxAttempts, suspectSeconds } from '../../../src/protocol/tunnels/replace.js'
import type { Tunnel, TunnelReport } from '../../../src/protocol/tunnels/tunnels.js'
import { createTunnels } from '../../../src/streams/tunnels/tunnels.js'
import { type MemorySocket, memorySocket } from '../../support/memory-socket.js'
import { fakeConnections } from '../support/fake-connection.js'
import { virtualTime } from '../support/virtual-time.js'

const block = Array.from({ length: 10 }, (_, index) => 42_001 + index)

function world(ports: readonly number[] = block, relayOnly = false) {
  const time = virtualTime()
  const connections = fakeConnections(time)
  const listeners = new Map<number, Subscriber<TcpListenEvent>>()
  /** Ports of other programs. */
  const foreign = new Set<number>()
  let nextFree = 50_000
  const listen$ = ({ port }: { port: number }): Observable<TcpListenEvent> =>
    new Observable(subscriber => {
      const bound = port === 0 ? nextFree++ : port
      if (foreign.has(bound) || listeners.has(bound)) {
        subscriber.error(new LighthouseError('port-in-use', 'taken', { port: bound }))
        return
      }
      listeners.set(bound, subscriber)
      subscriber.add(() => listeners.delete(bound))
      subscriber.next({ type: 'listening', port: bound })
    })
  const networkChange$ = new Subject<void>()
  const tunnels = createTunnels({
    offer$: connections.connect$,
    listen$,
    ports,
    relayOnly,
    networkChange$,
    clock: time.clock,
    scheduler: time.scheduler,
  })
  const reports: TunnelReport[] = []
  const running = tunnels.report$.subscribe(report => reports.push(report))
  const ask = (name: string) => {
    const heard: (Tunnel | string)[] = []
    const subscription = tunnels.connect$(name).subscribe({
      next: tunnel => heard.push(tunnel),
      error: (error: LighthouseError) => heard.push(error.code),
      complete: () => heard.push('complete'),
    })
    return { heard, subscription }
  }
  /** Asks for a tunnel, and opens the connection that this makes. */
  const open = (name: string): number => {
    const { heard } = ask(name)
    connections.last(name).open()
    return (heard[0] as Tunnel).port
  }
  /** A program connects to that port. */
  const enter = (port: number): MemorySocket => {
    const socket = memorySocket()
    listeners.get(port)!.next({ type: 'socket', socket })
    time.advance(5)
    return socket
  }
  /** The listener on that port breaks: the tunnel ends, and the port is free. */
  const leave = (port: number): void => listeners.get(port)!.error(new LighthouseError('address-unavailable', 'broken'))
  const endOf = (name: string) =>
    reports.findLast(report => report.type === 'ended' && report.nickname === name) as TunnelReport & { type: 'ended' }
  return {
    networkChange$,
    time,
    connections,
    listeners,
    foreign,
    tunnels,
    reports,
    running,
    ask,
    open,
    enter,
    leave,
    endOf,
  }
}

const letters = 'abcdefghijklmnopqrstuvwxyz'
const nameOf = (index: number): string => `peer${letters[index]}`

describe('tunnels', () => {
  it('makes one connection for requests that come at once, and answers all of them', () => {
    const { ask, connections, reports } = world()
    const requests = [ask('bob'), ask('bob'), ask('bob')]
    expect(connections.made.length).toBe(1)
    connections.last('bob').open()
    const tunnel = { nickname: 'bob', host: '127.0.0.1', port: 42_001 }
    for (const { heard } of requests) expect(heard).toEqual([tunnel, 'complete'])
    expect(reports.slice(0, 2)).toEqual([
      { type: 'attempt', nickname: 'bob' },
      { type: 'tunnel', tunnel },
    ])
  })

  it('reuses the live one', () => {
    const { open, ask, connections } = world()
    const port = open('bob')
    expect(ask('bob').heard).toEqual([{ nickname: 'bob', host: '127.0.0.1', port }, 'complete'])
    expect(connections.made.length).toBe(1)
  })

  it('goes on when one of those who wait gives up', () => {
    const { ask, connections } = world()
    const [first, second] = [ask('bob'), ask('bob')]
    first.subscription.unsubscribe()
    connections.last('bob').open()
    expect(second.heard[1]).toBe('complete')
  })

  it('takes nobody’s port for an attempt that fails, and notifies everybody who waits', () => {
    const { open, ask, connections, listeners, endOf } = world()
    for (let index = 0; index < 10; index++) open(nameOf(index))
    const failing = [ask('zed'), ask('zed')]
    connections.last('zed').close(new LighthouseError('peer-offline', 'x'))
    for (const { heard } of failing) expect(heard).toEqual(['peer-offline'])
    expect(listeners.size).toBe(10)
    expect(connections.made.filter(({ alive }) => alive).length).toBe(10)
    expect(endOf('zed')).toMatchObject({ session: undefined, reason: { code: 'peer-offline' } })
  })

  it('gives the eleventh the port of the least recently used idle one', () => {
    const { open, ask, connections, listeners, endOf } = world()
    const ports = Array.from({ length: 10 }, (_, index) => open(nameOf(index)))
    expect(ports).toEqual(block)
    ask(nameOf(0))
    expect(open(nameOf(10))).toBe(ports[1])
    expect(endOf(nameOf(1))).toMatchObject({ reason: { code: 'too-many-connections' } })
    expect(connections.last(nameOf(1)).alive).toBe(false)
    expect(connections.made.filter(({ alive }) => alive).length).toBe(10)
    expect(listeners.size).toBe(10)
  })

  it('passes over a busy one while an idle one exists', () => {
    const { open, enter, connections } = world()
    const ports = Array.from({ length: 10 }, (_, index) => open(nameOf(index)))
    const busy = ports.slice(0, 9).map(port => enter(port))
    expect(open(nameOf(10))).toBe(ports[9])
    expect(busy.some(({ wasReset }) => wasReset)).toBe(false)
    expect(connections.last(nameOf(9)).alive).toBe(false)
  })

  it('makes another connection when the network has changed, for new streams, and lets those there are come to their end', () => {
    const { time, open, enter, connections, networkChange$, ask } = world()
    const port = open('bob')
    const before = connections.last('bob')
    const going = enter(port)
    networkChange$.next()
    const { heard } = ask('bob')
    expect([connections.made.length, heard]).toEqual([2, []])
    connections.last('bob').open()
    const next = enter(port)
    expect([heard[1], before.alive, going.wasReset, next.subscribed]).toEqual(['complete', true, false, true])
    time.advance(4_000)
    // Nothing came on it.
    expect([before.alive, going.reason?.code, connections.made[1]!.alive]).toEqual([false, 'peer-silent', true])
  })

  it('looks for a shorter way while the path is relayed, less and less often, and takes it for what is new', () => {
    const { time, open, enter, connections, reports, running } = world()
    const port = open('bob')
    const relayed = connections.last('bob')
    const path = (kind: PathKind): void => relayed.emit({ type: 'path', kind, roundTripMs: 20 })
    /** Time in which something comes each second. */
    const pass = (seconds: number): void => {
      for (let second = 0; second < seconds; second++) {
        relayed.far.send(encodeFrames([{ command: 'nop', streamId: 0 }], 2))
        path('relay')
        time.advance(1_000)
      }
    }
    path('host')
    path('relay')
    const going = enter(port)
    const seconds = [30, 60, 120, 240, 480, 600, 600]
    for (const [index, wait] of seconds.entries()) {
      pass(wait - 1)
      expect(connections.made.length).toBe(index + 1)
      pass(1)
      expect([connections.made.length, connections.last('bob').direct]).toEqual([index + 2, true])
      if (index < seconds.length - 1) connections.last('bob').close(new LighthouseError('webrtc-failed', 'no way'))
    }
    // Nobody is bothered with what did not come about.
    expect(reports.filter(({ type }) => type === 'ended' || type === 'attempt').length).toBe(1)
    connections.last('bob').open()
    const next = enter(port)
    expect([relayed.alive, going.wasReset, next.subscribed]).toEqual([true, false, true])
    going.break()
    pass(2)
    expect([relayed.alive, connections.last('bob').alive]).toEqual([false, true])
    running.unsubscribe()
    // The last frames arrive.
    time.advance(5)
    expect(time.pending()).toBe(0)
  })

  it.each<[string, boolean, readonly PathKind[]]>([
    ['the path is direct by now', false, ['relay', 'srflx']],
    ['nothing but relays is wanted', true, ['relay']],
  ])('looks for no other way where %s', (_name, relayOnly, kinds) => {
    const { time, open, connections } = world(block, relayOnly)
    open('bob')
    const connection = connections.last('bob')
    for (const kind of kinds) connection.emit({ type: 'path', kind, roundTripMs: 20 })
    for (let second = 0; second < 100; second++) {
      connection.far.send(encodeFrames([{ command: 'nop', streamId: 0 }], 2))
      time.advance(1_000)
    }
    expect(connections.made.length).toBe(1)
  })

  it('lets the least recently used go when all are busy, and its programs see a reset', () => {
    const { open, enter } = world()
    const ports = Array.from({ length: 10 }, (_, index) => open(nameOf(index)))
    const busy = ports.map(port => enter(port))
    expect(open(nameOf(10))).toBe(ports[0])
    expect(busy.map(({ wasReset }) => wasReset)).toEqual([true, ...Array.from({ length: 9 }, () => false)])
    expect(busy[0]!.ended).toBe(false)
  })

  it('counts a stream as use, and one that ended as idle again', () => {
    const { open, enter, connections } = world([1001, 1002])
    const [a, b] = [open('a'), open('b')]
    const socket = enter(a)
    enter(b)
    socket.break()
    open('c')
    expect([connections.last('a').alive, connections.last('b').alive]).toEqual([false, true])
  })

  it('gives a nickname its last port back', () => {
    const { open, connections } = world()
    open('a')
    const port = open('b')
    connections.last('a').close()
    connections.last('b').close()
    expect(open('b')).toBe(port)
    expect(open('a')).toBe(42_001)
  })

  it('gives a nickname its last port back where the system chose it', () => {
    const { open, connections } = world([0, 0])
    const [a, b] = [open('a'), open('b')]
    connections.last('a').close()
    connections.last('b').close()
    expect([open('b'), open('a')]).toEqual([b, a])
  })

  it('takes another port of the system’s when the last one is another program’s by now', () => {
    const { open, leave, foreign } = world([0])
    const port = open('a')
    leave(port)
    foreign.add(port)
    expect(open('a')).not.toBe(port)
  })

  it('skips ports of other programs, and tries them again when a port is needed', () => {
    const { open, foreign, connections } = world()
    foreign.add(42_001).add(42_002)
    expect(open('bob')).toBe(42_003)
    foreign.delete(42_001)
    expect(open('eve')).toBe(42_001)
    foreign.clear()
    expect(open('cyd')).toBe(42_002)
    expect(connections.made.length).toBe(3)
  })

  it('loses none of its ports, however often another program had each of them', () => {
    const { open, leave, foreign } = world()
    for (const port of block) {
      foreign.add(port)
      const other = port === block[0] ? block[1]! : block[0]!
      expect(open('bob')).toBe(other)
      foreign.delete(port)
      leave(other)
    }
    const ports = Array.from({ length: 10 }, (_, index) => open(nameOf(index)))
    expect(ports.toSorted((one, other) => one - other)).toEqual(block)
  })

  it('gives a nickname its last port back that another program had in between', () => {
    const { open, leave, foreign } = world()
    const [first, second] = [open('a'), open('b')]
    leave(first)
    leave(second)
    foreign.add(second)
    // What somebody else tried and did not get is still bob's.
    expect([open('b'), open('c')]).toEqual([block[0], block[2]])
    foreign.clear()
    leave(block[0]!)
    expect(open('b')).toBe(block[0])
    leave(block[0]!)
    leave(block[2]!)
    expect([open('c'), open('a')]).toEqual([block[2], block[0]])
  })

  it('says so when every port is another program’s', () => {
    const { ask, foreign, connections } = world()
    for (const port of block) foreign.add(port)
    const { heard } = ask('bob')
    connections.last('bob').open()
    expect(heard).toEqual(['no-tunnel-port'])
    expect(connections.last('bob').alive).toBe(false)
  })

  it('evicts when the only free port is another program’s', () => {
    const { open, foreign, connections } = world([1001, 1002])
    foreign.add(1002)
    expect(open('a')).toBe(1001)
    expect(open('b')).toBe(1001)
    expect(connections.last('a').alive).toBe(false)
  })

  it.each<[string, (w: ReturnType<typeof world>) => void, string]>([
    ['the connection fails', w => w.connections.last('bob').close(), 'webrtc-failed'],
    [
      'the other side closes the channel',
      w => {
        w.connections.last('bob').far.close()
        w.time.advance(5)
      },
      'channel-closed',
    ],
    ['nothing comes any more', w => w.time.advance(15_000), 'peer-silent'],
    [
      'the other side breaks the rules',
      w => {
        w.connections.last('bob').far.send(new Uint8Array(8))
        w.time.advance(5)
      },
      'frame-version',
    ],
  ])('forgets a connection at once when %s, and the next one who comes there has another made', (_name, end, code) => {
    const w = world()
    const port = w.open('bob')
    const [first, socket] = [w.connections.last('bob'), w.enter(port)]
    end(w)
    expect(w.endOf('bob')).toMatchObject({ session: 'session-0', reason: { code } })
    expect(socket.wasReset).toBe(true)
    expect(socket.reason?.code).toBe(code)
    expect([...w.listeners.keys()]).toEqual([port])
    expect(first.alive).toBe(false)
    const next = w.enter(port)
    expect([next.subscribed, w.connections.made.length]).toEqual([false, 2])
    w.connections.last('bob').open()
    expect([next.subscribed, next.wasReset]).toEqual([true, false])
    const refused = w.enter(port)
    w.connections.last('bob').close(new LighthouseError('peer-offline', 'gone'))
    expect(refused.reason?.code).toBe('peer-offline')
    const last = w.enter(port)
    w.connections.last('bob').close(new LighthouseError('connect-timeout', 'late'))
    expect(last.reason?.code).toBe('connect-timeout')
    expect(w.open('bob')).toBe(port)
    expect(w.connections.made.length).toBe(4)
  })

  it('dials again for somebody who asks right after the failure', () => {
    const { tunnels, connections, reports } = world()
    const heard: unknown[] = []
    tunnels
      .connect$('bob')
      .pipe(catchError(() => tunnels.connect$('bob')))
      .subscribe({ next: tunnel => heard.push(tunnel), error: error => heard.push(error) })
    connections.last('bob').close()
    expect(connections.made.length).toBe(2)
    expect(reports.map(({ type }) => type)).toEqual(['attempt', 'ended', 'attempt'])
    connections.last('bob').open()
    expect(heard).toEqual([{ nickname: 'bob', host: '127.0.0.1', port: 42_001 }])
  })

  it('costs nobody else anything when one listener breaks', () => {
    const { open, enter, listeners, connections, endOf } = world()
    const [a] = [open('a'), open('b')]
    const socket = enter(a)
    listeners.get(a)!.error(new LighthouseError('invalid-option', 'no file handles left'))
    expect(endOf('a').reason.code).toBe('no-tunnel-port')
    expect(socket.wasReset).toBe(true)
    expect(connections.last('b').alive).toBe(true)
    expect(open('a')).toBe(a)
  })

  it('ends the connection in which a defect shows, as `internal` with its place, and no other', () => {
    const { open, enter, connections, time, endOf } = world()
    const [a, b] = [open('a'), open('b')]
    const socket = enter(a)
    enter(b)
    const cause = new TypeError('x is not a function')
    socket.write = () => {
      throw cause
    }
    const frame = encodeFrames([{ command: 'psh', streamId: 3, data: new Uint8Array(10) }], 2)
    connections.last('a').far.send(frame)
    connections.last('b').far.send(frame)
    time.advance(5)
    expect(endOf('a').reason).toMatchObject({ code: 'internal', message: expect.stringContaining('x is not'), cause })
    expect([socket.wasReset, connections.last('b').alive]).toEqual([true, true])
    expect(open('a')).toBe(a)
  })

  it('reports streams that were reset, with whom', () => {
    const { open, enter, reports, time } = world()
    enter(open('bob')).break()
    time.advance(5)
    expect(reports.filter(({ type }) => type === 'resets')).toEqual([
      { type: 'resets', with: 'bob', session: 'session-0', count: 1, reason: expect.any(LighthouseError) },
    ])
  })

  it('makes 32 attempts at once beside the tunnels, and says so to the next', () => {
    const { ask, connections } = world()
    const name = (index: number): string => `peer${letters[Math.floor(index / 26)]}${letters[index % 26]}`
    for (let index = 0; index < block.length + maxAttempts; index++) ask(name(index))
    expect(ask('onemore').heard).toEqual(['too-many-connections'])
    connections.last(name(0)).close()
    expect(ask('onemore').heard).toEqual([])
  })

  it('errors those who wait and closes everything when it is unsubscribed from', () => {
    const { open, ask, enter, running, connections, listeners, time } = world()
    const socket = enter(open('bob'))
    const waiting = ask('eve')
    running.unsubscribe()
    expect(waiting.heard).toEqual(['channel-closed'])
    expect(socket.wasReset).toBe(true)
    expect([connections.made.some(({ alive }) => alive), listeners.size]).toEqual([false, 0])
    time.advance(5)
    expect(time.pending()).toBe(0)
    expect(ask('bob').heard).toEqual(['channel-closed'])
  })

  describe('when a connection falls silent', () => {
    /** Nothing comes from the other side for long enough to be suspect. */
    function silent() {
      const all = world()
      const port = all.open('bob')
      const socket = all.enter(port)
      all.time.advance((suspectSeconds + 1) * 1000)
      return { ...all, port, socket, old: all.connections.last('bob') }
    }
    const nop = new Uint8Array([2, 3, 0, 0, 0, 0, 0, 0])

    it('makes another for the next request, which takes its place and its port', () => {
      const { ask, connections, socket, old, port, endOf, open } = silent()
      const requests = [ask('bob'), ask('bob')]
      expect([connections.made.length, old.alive, socket.wasReset]).toEqual([2, true, false])
      connections.last('bob').open()
      for (const { heard } of requests)
        expect(heard).toEqual([{ nickname: 'bob', host: '127.0.0.1', port }, 'complete'])
      expect([old.alive, socket.wasReset, endOf('bob').reason.code]).toEqual([false, true, 'peer-silent'])
      expect(socket.reason?.code).toBe('peer-silent')
      expect(ask('bob').heard).toHaveLength(2)
      expect([connections.made.length, open('eve')]).toEqual([2, port + 1])
    })

    it('keeps it when the other side speaks again before a new one is open', () => {
      const { ask, connections, socket, old, port, time } = silent()
      const request = ask('bob')
      old.far.send(nop)
      time.advance(2000)
      expect(request.heard).toEqual([{ nickname: 'bob', host: '127.0.0.1', port }, 'complete'])
      expect([old.alive, socket.wasReset, connections.last('bob').alive]).toEqual([true, false, false])
      // What breaks next breaks for another reason than the replacement.
      old.close(new LighthouseError('webrtc-failed', 'the network is gone'))
      expect([socket.wasReset, socket.reason?.message]).toEqual([true, 'the network is gone'])
    })

    it('keeps it, and says why, when no new one can be made', () => {
      const { ask, connections, socket, old } = silent()
      const request = ask('bob')
      connections.last('bob').close(new LighthouseError('peer-offline', 'gone'))
      expect(request.heard).toEqual(['peer-offline'])
      expect([old.alive, socket.wasReset]).toEqual([true, false])
    })

    it('lets the attempt go on when the silent one ends meanwhile', () => {
      const { ask, connections, old, port } = silent()
      const request = ask('bob')
      old.close()
      expect(ask('bob').heard).toEqual([])
      expect(connections.made.length).toBe(2)
      connections.last('bob').open()
      expect(request.heard).toEqual([{ nickname: 'bob', host: '127.0.0.1', port }, 'complete'])
    })
  })
})
