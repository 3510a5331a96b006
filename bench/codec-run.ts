/** Runs bench/codec.ts in a process of its own, where collections can be asked for. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The table that it prints. */
export function runCodec(): Promise<string> {
  return new Promise((resolve, reject) => {
    const file = fileURLToPath(new URL('codec.js', import.meta.url))
    const child = spawn(process.execPath, ['--expose-gc', file], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part))
    child.once('error', reject)
    child.once('close', code => {
      if (code === 0) resolve(text.trimEnd())
      else reject(new Error(`codec.js ended with ${code}`))
    })
  })
}
