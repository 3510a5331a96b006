/** Both sides of one session: a listener on loopback, Go's program that dials it, our multiplexer behind it. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { defaultMuxConfig } from '../../../src/protocol/mux/config.js'
import type { MuxConfig } from '../../../src/protocol/mux/state.js'
import { type GoProgram, type GoSession, type GoSessionOptions, startGoSession } from './go-program.js'
import { type MuxPeer, startMuxPeer } from './mux-peer.js'

export interface Sides {
  readonly ours: MuxPeer
  readonly go: GoSession
  stop(): Promise<void>
}

export interface SidesOptions {
  /** Our role; Go has the other. */
  readonly role: 'client' | 'server'
  readonly version: 1 | 2
  readonly config?: Partial<MuxConfig>
  readonly goOptions?: Partial<GoSessionOptions>
}

/** A TCP connection whose other end is the Go program. */
export async function connectGo(
  program: GoProgram,
  options: Omit<GoSessionOptions, 'address'>,
): Promise<{ readonly socket: Socket; readonly go: GoSession; stop(): Promise<void> }> {
  const listener = createServer({ pauseOnConnect: true, noDelay: true }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  const go = startGoSession(program, { ...options, address: `127.0.0.1:${port}` })
  const [socket] = (await once(listener, 'connection')) as [Socket]
  listener.close()
  return {
    socket,
    go,
    stop: async () => {
      socket.destroy()
      await go.stop()
    },
  }
}

export async function connect(program: GoProgram, { role, version, config, goOptions }: SidesOptions): Promise<Sides> {
  const goRole = role === 'client' ? 'server' : 'client'
  const { socket, go, stop } = await connectGo(program, { role: goRole, version, ...goOptions })
  const agreed = { ...defaultMuxConfig(role, { version, rst: false }), acceptStreams: true, ...config }
  const ours = startMuxPeer(socket, agreed)
  socket.resume()
  return { ours, go, stop }
}
