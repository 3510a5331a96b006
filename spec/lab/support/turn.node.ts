import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type Lab, publicAddress } from './lab.node.js'

export const turnPort = 3478

export interface Turn {
  /** What it shares with the hub, so that credentials can expire. */
  readonly secret: string
  end(): Promise<void>
}

/** Starts coturn in the public network, over UDP and TCP. Resolves once it listens. It ends with this process. */
export async function startTurn(lab: Lab): Promise<Turn> {
  const secret = 'a-secret-of-the-lab'
  const options = [
    '-n',
    '--use-auth-secret',
    `--static-auth-secret="${secret}"`,
    '--realm=lab.example',
    `--listening-ip=${publicAddress}`,
    `--relay-ip=${publicAddress}`,
    `--listening-port=${turnPort}`,
    // As an operator has it. Where there is no way to such an address, coturn would give up the whole allocation.
    '--denied-peer-ip=10.0.0.0-10.255.255.255',
    '--no-tls --no-dtls --no-cli --no-multicast-peers --log-file=stdout --pidfile=/run/turn.pid',
  ]
  // The shell waits for the end of its input, which comes with the end of this process, whatever ends that.
  const [command, ...prefix] = lab.within()
  const script = `turnserver ${options.join(' ')} & cat >/dev/null; kill $!; wait`
  const shell = spawn(command!, [...prefix, 'sh', '-c', script], { stdio: ['pipe', 'pipe', 'ignore'] })
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
    async end() {
      shell.stdin.end()
      await exit
    },
  }
}
