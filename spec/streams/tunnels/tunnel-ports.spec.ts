import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { afterEach, describe, expect, it } from '@jest/globals'
import { filter, firstValueFrom, Subject, take, takeUntil, toArray } from 'rxjs'
import { nodeTcp } from '../../../src/adapters/tcp.node.js'
import { createTunnelPorts, type TunnelPorts } from '../../../src/streams/tunnels/tunnel-ports.js'

/** Another program: it listens, and counts who comes. */
interface Program {
  readonly server: Server
  visitors: number
}

const programs: Program[] = []
const over$ = new Subject<void>()

async function startProgram(port = 0): Promise<Program> {
  const program: Program = { server: createServer(), visitors: 0 }
  program.server.on('connection', socket => {
    program.visitors++
    socket.destroy()
  })
  program.server.listen({ port, host: '127.0.0.1' })
  await once(program.server, 'listening')
  programs.push(program)
  return program
}

async function stopProgram({ server }: Program): Promise<void> {
  server.close()
  await once(server, 'close')
}

/** A block of ports, each of which another program holds. */
async function takenBlock(size: number): Promise<{ readonly ports: number[]; readonly holders: Program[] }> {
  const holders = await Promise.all(Array.from({ length: size }, () => startProgram()))
  return { ports: holders.map(({ server }) => (server.address() as AddressInfo).port), holders }
}

/** The port that this owner gets, and whether a program that goes there reaches the owner. */
async function visit(tunnels: TunnelPorts, owner: string): Promise<number> {
  const event$ = tunnels.listenFor$(owner, () => undefined).pipe(takeUntil(over$))
  const port$ = new Subject<number>()
  const socket$ = new Subject<boolean>()
  const port = firstValueFrom(port$)
  const reached = firstValueFrom(socket$)
  event$.subscribe({
    next: event => {
      if (event.type === 'listening') port$.next(event.port)
      else {
        event.socket.abort()
        socket$.next(true)
      }
    },
    error: error => port$.error(error),
  })
  const bound = await port
  connect({ port: bound, host: '127.0.0.1' }).on('error', () => undefined)
  expect(await reached).toBe(true)
  return bound
}

afterEach(async () => {
  over$.next()
  for (const program of programs.splice(0)) if (program.server.listening) await stopProgram(program)
})

describe('the tunnel ports, with real sockets', () => {
  it('are looked at again once another program has let go of them, and never given while it has not', async () => {
    const { ports, holders } = await takenBlock(3)
    const tunnels = createTunnelPorts(ports, nodeTcp.listen$)
    await expect(visit(tunnels, 'ann')).rejects.toMatchObject({ code: 'no-tunnel-port' })
    await stopProgram(holders[1]!)
    expect(await visit(tunnels, 'ann')).toBe(ports[1])
    await stopProgram(holders[0]!)
    expect(await visit(tunnels, 'bob')).toBe(ports[0])
    await stopProgram(holders[2]!)
    expect(await visit(tunnels, 'cyd')).toBe(ports[2])
    expect(programs.map(({ visitors }) => visitors)).toEqual([0, 0, 0])
  })

  it('make somebody leave only when every free one is another program’s', async () => {
    const { ports, holders } = await takenBlock(2)
    await stopProgram(holders[0]!)
    const tunnels = createTunnelPorts(ports, nodeTcp.listen$)
    const evicted = firstValueFrom(tunnels.eviction$.pipe(take(1), toArray()))
    // As `createTunnels` does: who has to leave lets go of its port.
    const annLeaves$ = tunnels.eviction$.pipe(filter(({ owner }) => owner === 'ann'))
    const ann$ = tunnels.listenFor$('ann', () => undefined).pipe(takeUntil(annLeaves$), takeUntil(over$))
    const ann = await new Promise(resolve => {
      ann$.subscribe(event => {
        if (event.type === 'listening') resolve(event.port)
      })
    })
    expect(ann).toBe(ports[0])
    expect(await visit(tunnels, 'bob')).toBe(ports[0])
    expect(await evicted).toEqual([{ owner: 'ann', by: 'bob' }])
    expect(holders[1]!.visitors).toBe(0)
  })
})
