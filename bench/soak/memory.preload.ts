/**
 * For `--import`: on SIGUSR2 the hub, or a running peer, writes how much memory its data takes once nothing is left to collect. What V8
 * makes of the program's code grows for many minutes, as more and more of it is found worth optimizing, and is left out.
 */
import { getHeapCodeStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// Not in the process that runs wrtc, which is no program of the command line.
if (['up', 'hub'].includes(process.argv[2] ?? '')) {
  // What is noted about a function is made at its first call, and stays.
  for (const flag of ['--expose-gc', '--no-lazy-feedback-allocation', '--no-flush-bytecode']) setFlagsFromString(flag)
  const collect = runInNewContext('gc') as () => void
  process.on('SIGUSR2', () => {
    collect()
    const { heapUsed, rss } = process.memoryUsage()
    const { code_and_metadata_size: code, bytecode_and_metadata_size: bytecode } = getHeapCodeStatistics()
    const sample = { type: 'memory', atMs: performance.now(), heapUsed: heapUsed - code - bytecode, rss }
    process.stdout.write(`${JSON.stringify(sample)}\n`)
  })
}
