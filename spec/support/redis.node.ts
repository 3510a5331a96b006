/**
 * A Redis of a spec's own: on a loopback port that was free, with a temporary directory, nothing kept on disk.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { findRedis } from './programs.node.js'
import { freePort } from './service.node.js'

/** For `describeIf(findRedis(), REDIS_REASON)`. */
export const REDIS_REASON = 'needs redis-server'

export interface RedisServer {
  /** The same through restarts. */
  readonly url: string
  /** Resolves when it takes connections. */
  start(): Promise<void>
  /** SIGKILL, as a crash. Resolves when it is gone. */
  kill(): Promise<void>
  /** SIGSTOP: connections stay open, and nothing answers. */
  freeze(): void
  thaw(): void
  /** Ends it and removes its directory. */
  remove(): Promise<void>
}

class Server implements RedisServer {
  readonly #folder = mkdtempSync(join(tmpdir(), 'lighthouse-redis-'))
  readonly url: string
  #server: ChildProcess | undefined
  readonly #killAtExit = (): void => {
    this.#server?.kill('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  constructor(
    private readonly program: string,
    private readonly port: number,
  ) {
    this.url = `redis://127.0.0.1:${port}`
    process.once('exit', this.#killAtExit)
  }

  async start(): Promise<void> {
    const options = { bind: '127.0.0.1', port: this.port, dir: this.#folder, save: '', appendonly: 'no' }
    const argv = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
    const server = spawn(this.program, argv, { stdio: ['ignore', 'pipe', 'ignore'] })
    const log: string[] = []
    const isReady = await new Promise<boolean>(resolve => {
      server.once('exit', () => resolve(false))
      createInterface({ input: server.stdout }).on('line', line => {
        log.push(line)
        if (/ready to accept connections/i.test(line)) resolve(true)
      })
    })
    if (!isReady) throw new Error(`redis-server does not start: ${log.join('\n')}`)
    this.#server = server
  }

  async kill(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const exited = once(server, 'exit')
    server.kill('SIGKILL')
    await exited
  }

  freeze(): void {
    this.#server?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#server?.kill('SIGCONT')
  }

  async remove(): Promise<void> {
    await this.kill()
    process.off('exit', this.#killAtExit)
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Starts one. Ask `findRedis()` before. */
export async function startRedis(): Promise<RedisServer> {
  const program = findRedis()
  if (program === undefined) throw new Error(REDIS_REASON)
  const server = new Server(program, await freePort())
  try {
    await server.start()
    return server
  } catch (error) {
    await server.remove()
    throw error
  }
}
