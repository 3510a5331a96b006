/** For `--import`: on SIGUSR2 the hub, or a running peer, writes how much memory it has in use once nothing is left to collect. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// Not in the process that runs wrtc, which is no program of the command line.
if (['up', 'hub'].includes(process.argv[2] ?? '')) {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  process.on('SIGUSR2', () => {
    collect()
    process.stdout.write(`${JSON.stringify({ type: 'memory', atMs: performance.now(), ...process.memoryUsage() })}\n`)
  })
}
