/**
 * The programs that people have, on the address of a tunnel. What is shared is a server of theirs, or a folder with a film.
 */
import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { type ClusterPeer, clusters } from '../support/cluster.node.js'
import { patternBytes } from '../support/pattern.js'
import { describeIf } from '../support/requires.js'
import { findService, type Service, startServer } from '../support/service.node.js'
import { open } from '../support/transfer.node.js'

const run = promisify(execFile)
const media = fileURLToPath(new URL('../../../media', import.meta.url))
const needed = ['git', 'rsync', 'ssh', 'sshd', 'ssh-keygen', 'redis-server', 'redis-cli', 'mpv', 'curl']
const missing = needed.filter(name => findService(name) === undefined)

describeIf(missing.length === 0, `needs ${missing.join(', ')}`)('on the address of a tunnel', () => {
  const startCluster = clusters()
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lighthouse-programs-')))
  const services: Service[] = []
  const bytes = Buffer.from(patternBytes(1, 0, 3_000_000))
  let alice: ClusterPeer

  const serve = async (...service: Parameters<typeof startServer>): Promise<string> => {
    const started = await startServer(...service)
    services.push(started)
    return `127.0.0.1:${started.port}`
  }

  /** A repository with one commit, and a daemon for it. */
  async function serveGit(): Promise<string> {
    const work = join(folder, 'work')
    mkdirSync(work)
    writeFileSync(join(work, 'data.bin'), bytes)
    const as = ['-c', 'user.name=Alice', '-c', 'user.email=alice@example.com', '-C', work]
    for (const argv of [
      ['init', '-q'],
      ['add', '.'],
      ['commit', '-q', '-m', 'data'],
    ])
      await run('git', [...as, ...argv])
    const argv = (port: number) => ['daemon', `--port=${port}`, '--listen=127.0.0.1', '--export-all']
    return serve('git', port => [...argv(port), `--base-path=${folder}`, folder])
  }

  async function serveRsync(): Promise<string> {
    const shared = join(folder, 'shared')
    mkdirSync(shared)
    writeFileSync(join(shared, 'ünï côde.bin'), bytes)
    const { uid, gid } = userInfo()
    const lines = ['use chroot = no', `uid = ${uid}`, `gid = ${gid}`, '[films]', `path = ${shared}`, 'read only = yes']
    writeFileSync(join(folder, 'rsyncd.conf'), `${lines.join('\n')}\n`)
    const argv = ['--daemon', '--no-detach', '--address=127.0.0.1', `--config=${join(folder, 'rsyncd.conf')}`]
    return serve('rsync', port => [...argv, `--port=${port}`])
  }

  async function serveSsh(): Promise<string> {
    // Where its package was installed and never started.
    if (userInfo().uid === 0) mkdirSync('/run/sshd', { recursive: true })
    for (const name of ['host', 'key'])
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, name)])
    const lines = [`HostKey ${join(folder, 'host')}`, `AuthorizedKeysFile ${join(folder, 'key.pub')}`]
    writeFileSync(join(folder, 'sshd.conf'), [...lines, 'StrictModes no', 'UsePAM no', 'PidFile none', ''].join('\n'))
    const argv = ['-D', '-e', '-f', join(folder, 'sshd.conf'), '-o', 'ListenAddress=127.0.0.1', '-p']
    return serve('sshd', port => [...argv, String(port)])
  }

  const serveRedis = (): Promise<string> =>
    serve('redis-server', port => ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', ''])

  /** The port on which alice reaches what that peer shares. */
  async function portOf(nickname: string): Promise<number> {
    const { headers } = await open(`${alice.proxy}proxy/${nickname}/`, { follow: false })
    return Number(new URL(headers.location!).port)
  }

  beforeAll(async () => {
    const [gitter, syncer, sheller, keeper] = await Promise.all([serveGit(), serveRsync(), serveSsh(), serveRedis()])
    const shares = { gitter, syncer, sheller, keeper, filmer: media }
    const started = Object.fromEntries(Object.entries(shares).map(([name, share]) => [name, { share }]))
    alice = (await startCluster({ alice: {}, ...started })).peers['alice']!
  })
  afterAll(async () => {
    await Promise.all(services.map(service => service.end()))
    rmSync(folder, { recursive: true, force: true })
  })

  it('git clones', async () => {
    await run('git', ['clone', '-q', `git://127.0.0.1:${await portOf('gitter')}/work`, join(folder, 'clone')])
    expect(readFileSync(join(folder, 'clone', 'data.bin')).equals(bytes)).toBe(true)
  })

  it('rsync fetches', async () => {
    await run('rsync', ['-a', `rsync://127.0.0.1:${await portOf('syncer')}/films/`, `${join(folder, 'fetched')}/`])
    expect(readFileSync(join(folder, 'fetched', 'ünï côde.bin')).equals(bytes)).toBe(true)
  })

  it('ssh runs a command, with its input and output', async () => {
    const own = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'IdentitiesOnly=yes', 'LogLevel=ERROR']
    const options = own.flatMap(option => ['-o', option])
    const login = ['-F', 'none', '-i', join(folder, 'key'), '-p', String(await portOf('sheller')), ...options]
    const ssh = spawn('ssh', [...login, `${userInfo().username}@127.0.0.1`, 'cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    ssh.stdin.end(bytes)
    const parts = (await ssh.stdout.toArray()) as Buffer[]
    expect(Buffer.concat(parts).equals(bytes)).toBe(true)
  })

  it('redis-cli gets what it has set', async () => {
    const cli = ['-p', String(await portOf('keeper'))]
    expect((await run('redis-cli', [...cli, 'set', 'GET', 'ü HTTP/1.1'])).stdout).toBe('OK\n')
    expect((await run('redis-cli', [...cli, '--raw', 'get', 'GET'])).stdout).toBe('ü HTTP/1.1\n')
  })

  it('mpv plays a film from the middle', async () => {
    const film = `http://127.0.0.1:${await portOf('filmer')}/Test%20film.mp4`
    const output = ['--no-config', '--vo=null', '--ao=null', '--untimed', '--no-terminal', '--msg-level=all=error']
    const { stdout, stderr } = await run('mpv', [...output, '--start=4', '--length=3', film])
    expect(stdout + stderr).toBe('')
  })

  it('curl goes on with a download that it has begun', async () => {
    const film = readFileSync(join(media, 'Test film.mp4'))
    const part = join(folder, 'film.mp4')
    writeFileSync(part, film.subarray(0, 100_000))
    await run('curl', ['-sS', '-C', '-', '-o', part, `http://127.0.0.1:${await portOf('filmer')}/Test%20film.mp4`])
    const hash = (content: Buffer): string => createHash('sha256').update(content).digest('hex')
    expect(hash(readFileSync(part))).toBe(hash(film))
  })
})
