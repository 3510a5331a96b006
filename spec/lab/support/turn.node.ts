import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { makeCertificate } from '../../support/certificate.node.js'
import { type Lab, publicAddress, publicName } from './lab.node.js'

export interface Turn {
  /** What it shares with the hub, so that credentials can expire. */
  readonly secret: string
  /** A file with who vouches for its name, which nobody trusts by himself. */
  readonly authority: string
  end(): Promise<void>
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
  const script = `sh ${program} ${options.join(' ')} & cat >/dev/null; kill $!; wait`
  const shell = spawn(command!, [...prefix, 'sh', '-c', script], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...process.env, LIGHTHOUSE_TURN_SECRET: secret, TMPDIR: folder },
  })
  const exit = once(shell, 'exit')
  const lines: string[] = []
  const listening = new Promise<void>(resolve => {
    createInterface({ input: shell.stdout }).on('line', line => {
      lines.push(line)
      // The last of its threads to start.
      if (line.includes('(admin thread)')) resolve()
    })
  })
  await Promise.race([listening, exit.then(() => Promise.reject(new Error(`coturn ended: ${lines.join('\n')}`)))])
  return {
    secret,
    authority: cert,
    async end() {
      shell.stdin.end()
      await exit
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
