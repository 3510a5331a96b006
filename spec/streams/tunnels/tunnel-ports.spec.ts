import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { afterEach, describe, expect, it } from '@jest/globals'
import { filter, firstValueFrom, share, Subject, takeUntil } from 'rxjs'
import { nodeTcp } from '../../../src/adapters/tcp/tcp.node.js'
import { createTunnels } from '../../../src/streams/tunnels/tunnels.js'
import { fakeConnections } from '../support/fake-connection.js'
import { virtualTime } from '../support/virtual-time.js'

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

/** Tunnels on these ports of the system's, whose connections open at once. */
function tunnelsOn(ports: readonly number[]) {
  const time = virtualTime()
  const connections = fakeConnections(time)
  const tunnels = createTunnels({
    ...time,
    ports,
    offer$: connections.connect$,
    listen$: ({ port }) => nodeTcp.listen$({ port, host: '127.0.0.1' }),
  })
  const report$ = tunnels.report$.pipe(takeUntil(over$), share())
  report$.subscribe()
  /** A program that reaches this peer through the tunnel, and the port that it got. */
  const reach = async (name: string) => {
    const tunnel = firstValueFrom(tunnels.connect$(name))
    connections.last(name).open()
    const { port, host } = await tunnel
    const reached = firstValueFrom(
      report$.pipe(
        filter(report => report.type === 'stats' && report.stats.nickname === name && report.stats.streams > 0),
      ),
    )
    const program = connect({ port, host }).on('error', () => undefined)
    expect(await reached).toMatchObject({ stats: { tunnelPort: port } })
    return { program, port }
  }
  const visit = async (name: string): Promise<number> => {
    const { program, port } = await reach(name)
    program.destroy()
    return port
  }
  return { reach, visit, report$, connections }
}

afterEach(async () => {
  over$.next()
  for (const program of programs.splice(0)) if (program.server.listening) await stopProgram(program)
})

describe('the tunnel ports, with real sockets', () => {
  it('are tried again once another program has released them, and never given while it has not', async () => {
    const { ports, holders } = await takenBlock(3)
    const { visit } = tunnelsOn(ports)
    await expect(visit('ann')).rejects.toMatchObject({ code: 'no-tunnel-port' })
    await stopProgram(holders[1]!)
    expect(await visit('ann')).toBe(ports[1])
    await stopProgram(holders[0]!)
    expect(await visit('bob')).toBe(ports[0])
    await stopProgram(holders[2]!)
    expect(await visit('cyd')).toBe(ports[2])
    expect(programs.map(({ visitors }) => visitors)).toEqual([0, 0, 0])
  })

  it('make somebody leave only when every free one is another program’s', async () => {
    const { ports, holders } = await takenBlock(2)
    await stopProgram(holders[0]!)
    const { visit, report$ } = tunnelsOn(ports)
    const ended = firstValueFrom(report$.pipe(filter(({ type }) => type === 'ended')))
    expect(await visit('ann')).toBe(ports[0])
    expect(await visit('bob')).toBe(ports[0])
    expect(await ended).toMatchObject({ nickname: 'ann', reason: { code: 'too-many-connections' } })
    expect(holders[1]!.visitors).toBe(0)
  })

  it('are released, and their programs reset, when nobody runs the tunnels any more', async () => {
    const { ports, holders } = await takenBlock(2)
    await Promise.all(holders.map(stopProgram))
    const { reach, connections } = tunnelsOn(ports)
    await reach('ann')
    const { program } = await reach('bob')
    const broken = once(program, 'error')
    over$.next()
    expect(await broken).toMatchObject([{ code: 'ECONNRESET' }])
    expect(connections.made.filter(({ alive }) => alive)).toEqual([])
    for (const port of ports) await startProgram(port)
  })
})
