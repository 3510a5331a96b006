/**
 * A PostgreSQL of a spec's own: a cluster in a temporary directory that is reached over a socket file in it, so that no
 * port is taken. Durable like a real one.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Client } from 'pg'
import { madeOnce, runFolder } from './once.node.js'
import { findPostgres } from './programs.node.js'

/** For `describeIf(postgresAvailable(), POSTGRES_REASON)`. */
export const POSTGRES_REASON = 'needs PostgreSQL (initdb and postgres)'

/** Its programs are here, and somebody to run them as: PostgreSQL refuses to run as root. */
export function postgresAvailable(): boolean {
  try {
    return findPostgres() !== undefined && (process.getuid?.() !== 0 || typeof unprivileged().uid === 'number')
  } catch {
    return false
  }
}

export interface PostgresCluster {
  /** Makes an empty database and returns its URL. */
  createDatabase(): Promise<string>
  /** Resolves when it takes connections. */
  start(): Promise<void>
  /** Ends every connection and resolves when all is on the disk. */
  stop(): Promise<void>
  /** SIGKILL, as a crash. Resolves when the server's first process is gone. */
  kill(): Promise<void>
  /** SIGSTOP for the server and what serves connections: it takes no notice of anything. */
  freeze(): void
  thaw(): void
  /** Stops it and removes all of its files. */
  remove(): Promise<void>
}

function idOf(flag: '-u' | '-g'): number {
  return Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
}

/** Who runs the server: ourselves, unless that is root. */
function unprivileged(): { readonly uid?: number; readonly gid?: number } {
  return process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : {}
}

/** How often a server is started that finds the shared memory of one that was killed still in use. */
const maxStarts = 200

class Cluster implements PostgresCluster {
  readonly #folder = mkdtempSync(join(tmpdir(), 'lighthouse-pg-'))
  readonly #user = unprivileged()
  readonly #settings: readonly string[]
  #server: ChildProcess | undefined
  #databases = 0
  readonly #killAtExit = (): void => {
    this.#server?.kill('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  constructor(
    private readonly programs: string,
    settings: Readonly<Record<string, string>>,
  ) {
    this.#settings = Object.entries({
      listen_addresses: '',
      unix_socket_directories: this.#folder,
      fsync: 'on',
      max_connections: '100',
      shared_buffers: '16MB',
      ...settings,
    }).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    if (this.#user.uid !== undefined) chownSync(this.#folder, this.#user.uid, this.#user.gid ?? this.#user.uid)
    process.once('exit', this.#killAtExit)
  }

  get #data(): string {
    return join(this.#folder, 'data')
  }

  /** The files of a new cluster are the same each time: a run of specs makes them once, and copies them for each. */
  async initialize(): Promise<void> {
    if (runFolder === undefined) return this.#makeCluster(this.#data)
    const template = await madeOnce(runFolder, 'postgres', async path => {
      mkdirSync(path, { mode: 0o700 })
      if (this.#user.uid !== undefined) chownSync(path, this.#user.uid, this.#user.gid ?? this.#user.uid)
      await this.#makeCluster(path)
    })
    await this.#run('cp', ['-a', template, this.#data])
  }

  /** Without a sync of its own: nobody's data are in it yet. */
  #makeCluster(folder: string): Promise<void> {
    const options = [
      '--no-sync',
      '--username=postgres',
      '--auth=trust',
      '--encoding=UTF8',
      '--no-locale',
      '--no-instructions',
      // Small, as they are copied.
      '--wal-segsize=1',
    ]
    return this.#run(join(this.programs, 'initdb'), [...options, '-D', folder])
  }

  async #run(program: string, argv: readonly string[]): Promise<void> {
    const child = spawn(program, argv, {
      ...this.#user,
      cwd: this.#folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let errors = ''
    child.stderr.on('data', chunk => (errors += String(chunk)))
    const [code] = await once(child, 'close')
    if (code !== 0) throw new Error(`${program} failed: ${errors}`)
  }

  async start(): Promise<void> {
    let log: readonly string[] = []
    for (let starts = 0; starts < maxStarts; starts += 1) {
      log = await this.#startOnce()
      if (log.length === 0) return
      // What served the connections of a killed server lives on until it notices.
      if (!log.some(line => /still in use|is another postmaster/.test(line))) break
    }
    throw new Error(`PostgreSQL does not start: ${log.join('\n')}`)
  }

  /** Its complaints, or none when it runs. */
  async #startOnce(): Promise<readonly string[]> {
    const server = spawn(join(this.programs, 'postgres'), ['-D', this.#data, ...this.#settings], {
      ...this.#user,
      cwd: this.#folder,
      env: { ...process.env, LC_ALL: 'C' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const log: string[] = []
    const isReady = await new Promise<boolean>(resolve => {
      server.once('exit', () => resolve(false))
      createInterface({ input: server.stderr }).on('line', line => {
        log.push(line)
        if (line.includes('ready to accept connections')) resolve(true)
      })
    })
    if (isReady) this.#server = server
    return isReady ? [] : [...log, 'it exited']
  }

  stop(): Promise<void> {
    return this.#end('SIGINT')
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const exited = once(server, 'exit')
    server.kill(signal)
    await exited
  }

  freeze(): void {
    for (const pid of this.#processes()) process.kill(pid, 'SIGSTOP')
  }

  thaw(): void {
    for (const pid of this.#processes()) process.kill(pid, 'SIGCONT')
  }

  #processes(): readonly number[] {
    const pid = this.#server?.pid
    if (pid === undefined) return []
    const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n')
    const children = lines.map(line => line.trim().split(/\s+/).map(Number)).filter(([, parent]) => parent === pid)
    return [pid, ...children.map(([child]) => child!)]
  }

  async createDatabase(): Promise<string> {
    this.#databases += 1
    const name = `hub_${this.#databases}`
    const client = new Client({ connectionString: this.#url('postgres') })
    await client.connect()
    try {
      await client.query(`CREATE DATABASE ${name} TEMPLATE template0`)
    } finally {
      await client.end()
    }
    return this.#url(name)
  }

  #url(database: string): string {
    return `postgres://postgres@${encodeURIComponent(this.#folder)}/${database}`
  }

  async remove(): Promise<void> {
    await this.stop()
    process.off('exit', this.#killAtExit)
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Makes a cluster and starts it. `settings` as in postgresql.conf. Ask `postgresAvailable()` before. */
export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<PostgresCluster> {
  const programs = findPostgres()
  if (programs === undefined) throw new Error(POSTGRES_REASON)
  const cluster = new Cluster(programs, settings)
  try {
    await cluster.initialize()
    await cluster.start()
    return cluster
  } catch (error) {
    await cluster.remove()
    throw error
  }
}
