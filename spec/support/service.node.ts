/** Servers of other projects, as they are installed on this machine: each on a loopback port that was free. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { delimiter } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { findProgram } from './programs.node.js'

/** Debian has some of them where ordinary users do not look. */
const searchPath = [process.env['PATH'] ?? '', '/usr/sbin', '/sbin'].join(delimiter)

/** Path of a program, also of one that only an administrator usually calls. */
export function findService(name: string): string | undefined {
  return findProgram([name], searchPath)
}

/** A port that nobody had a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
  return address.port
}

export interface Service {
  readonly port: number
  end(): Promise<void>
}

/** Whether somebody listens on that loopback port. */
export async function accepts(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    // Refused: that is the answer.
    return false
  } finally {
    socket.destroy()
  }
}

/** Starts a server that stays in the foreground, and resolves when it takes connections. */
export async function startServer(name: string, argvFor: (port: number) => readonly string[]): Promise<Service> {
  const port = await freePort()
  const server = spawn(findService(name)!, argvFor(port), { stdio: ['ignore', 'ignore', 'pipe'] })
  const exit = once(server, 'exit')
  let err = ''
  server.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  while (!(await accepts(port))) {
    if (server.exitCode !== null) throw new Error(`${name} ended: ${err}`)
    await setTimeout(20)
  }
  return {
    port,
    async end() {
      server.kill('SIGTERM')
      await exit
    },
  }
}
