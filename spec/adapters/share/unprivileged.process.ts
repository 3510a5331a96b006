/**
 * A data server that runs as an ordinary user, for specs that root starts: `node unprivileged.process.js FOLDER` prints its
 * port and ends with its standard input.
 */
import { writeSync } from 'node:fs'
import { folderServer$ } from '../../../src/adapters/share/data-server.node.js'

/** `nobody` of most systems; any number does. */
const nobody = 65_534

// After the modules were read, which may lie where only root can look.
if (process.getuid?.() === 0) {
  process.setgroups?.([])
  process.setgid?.(nobody)
  process.setuid?.(nobody)
}
folderServer$({ path: process.argv[2]!, port: 0, fromPeer: () => undefined }).subscribe({
  next: ({ port }) => writeSync(1, `${port}\n`),
  error: (error: unknown) => {
    writeSync(2, String(error))
    process.exit(1)
  },
})
process.stdin.resume().on('end', () => process.exit(0))
