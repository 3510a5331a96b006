/** The Go program's `judge` mode as a function: sequences in, judgements out, in order. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { GoProgram } from './go-program.js'
import type { Judgement, Sequence } from './judge.js'

export async function judgeByGo(program: GoProgram, sequences: readonly Sequence[]): Promise<readonly Judgement[]> {
  const child = spawn(program.path, ['judge'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  const judgements: Judgement[] = []
  createInterface(child.stdout).on('line', line => judgements.push(JSON.parse(line) as Judgement))
  for (const { version, from, bytes } of sequences) {
    const head = Buffer.alloc(6)
    head[0] = version
    // Go's session is the other side of who says this.
    head.write(from === 'client' ? 's' : 'c', 1)
    head.writeUInt32LE(bytes.length, 2)
    child.stdin.write(head)
    if (!child.stdin.write(bytes)) await once(child.stdin, 'drain')
  }
  child.stdin.end()
  const [code] = (await closed) as [number | null]
  if (code !== 0) throw new Error(`the Go program ended with ${code}`)
  return judgements
}
