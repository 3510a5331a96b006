/** Lines that delay and lose, as long ones do. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { buildGo } from '../../support/go.node.js'
import { findGo } from '../../support/programs.node.js'
import { type Lab, linesNetwork, searchPath } from './lab.node.js'

const sources = fileURLToPath(new URL('../../../../spec/lab/go/', import.meta.url))

export interface Impairment {
  /** Of each host's line, one way. */
  readonly delayMs: number
  /** The share of frames that each host's line loses, one way. */
  readonly loss: number
}

/** Impairs the lines of all hosts of a lab for the rest of its life. The same frames are lost each time, as far as they are the same. */
export async function impair(lab: Lab, hosts: readonly string[], { delayMs, loss }: Impairment): Promise<void> {
  const program = await buildGo('impair', sources)
  const lines = hosts.map((_host, at) => at + 1)
  const unplug = lines.flatMap(line =>
    ['in', 'out'].map(plug => `ip -n ${linesNetwork} link set ${plug}-${line} nomaster`),
  )
  // What TCP hands over in one piece would be lost in one piece.
  const pieces = ['-n public link set bridge', ...hosts.map(host => `-n ${host} link set lan`)]
  const script = [...unplug, ...pieces.map(link => `ip ${link} gso_max_segs 1`)].join('\n')
  const [command, ...prefix] = lab.within()
  const { status, stderr } = spawnSync(command!, [...prefix, 'sh', '-eu'], {
    input: script,
    encoding: 'utf8',
    env: { PATH: searchPath },
  })
  if (status !== 0) throw new Error(`the lines cannot be impaired: ${stderr}`)
  const [inside, ...within] = lab.within(linesNetwork)
  const pairs = lines.map(line => `in-${line}:out-${line}`)
  // Its standard input ends with this process, and so does it.
  const shim = spawn(inside!, [...within, program, `${delayMs}ms`, String(loss), '1', ...pairs], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ready = once(shim.stdout, 'data')
  await Promise.race([ready, once(shim, 'exit').then(() => Promise.reject(new Error('the shim ended')))])
}

/** Why no line can be impaired on this machine, undefined when it can. */
export function impairObstacle(): string | undefined {
  return findGo() === undefined ? 'needs Go (Debian: golang-go)' : undefined
}
