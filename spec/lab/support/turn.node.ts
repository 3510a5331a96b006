import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { makeCertificate } from '../../support/certificate.node.js'
import { type Lab, publicAddress, publicName } from './lab.node.js'

export interface Turn {
  /** What it shares with the hub, so that credentials can expire. */
  readonly secret: string
  /** A file with who vouches for its name, which nobody trusts by himself. */
  readonly authority: string
  /** Kills it with all its relays, and starts it again. */
  restart(): Promise<void>
  end(): Promise<void>
}

/** Resolves once it listens, with what kills it. */
async function listening(shell: ChildProcessByStdio<Writable, Readable, null>): Promise<() => Promise<void>> {
  const exit = once(shell, 'exit')
  const lines: string[] = []
  const started = new Promise<void>(resolve => {
    createInterface({ input: shell.stdout }).on('line', line => {
      lines.push(line)
      // The last of its threads to start.
      if (line.includes('(admin thread)')) resolve()
    })
  })
  await Promise.race([started, exit.then(() => Promise.reject(new Error(`coturn ended: ${lines.join('\n')}`)))])
  return async () => {
    shell.stdin.end()
    await exit
  }
}

/** What operators are given. */
const program = fileURLToPath(new URL('../../../../deploy/coturn.sh', import.meta.url))

/**
 * Starts coturn in the public network, over UDP, TCP and TLS, as `deploy/` has it but for what is the lab's own. Resolves once
 * it listens. It ends with this process.
 */
export async function startTurn(lab: Lab): Promise<Turn> {
  const secret = 'a-secret-of-the-lab'
  const folder = mkdtempSync(join(tmpdir(), 'lighthouse-turn-'))
  const { cert, key } = makeCertificate(folder, publicName)
  const options = [
    `--listening-ip=${publicAddress} --relay-ip=${publicAddress}`,
    `--cert=${cert} --pkey=${key}`,
    // The lab's public addresses are ones that mean nothing elsewhere.
    '--allowed-peer-ip=203.0.113.0-203.0.113.255',
  ]
  // The shell waits for the end of its input, which comes with the end of this process, whatever ends that.
  const [command, ...prefix] = lab.within()
  const script = `sh ${program} ${options.join(' ')} & cat >/dev/null; kill -9 $!; wait`
  const env = { ...process.env, LIGHTHOUSE_TURN_SECRET: secret, TMPDIR: folder }
  const launch = (): Promise<() => Promise<void>> =>
    listening(spawn(command!, [...prefix, 'sh', '-c', script], { stdio: ['pipe', 'pipe', 'ignore'], env }))
  let running = await launch()
  return {
    secret,
    authority: cert,
    async restart() {
      await running()
      running = await launch()
    },
    async end() {
      await running()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
