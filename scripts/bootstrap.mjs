/**
 * Brings a clone into a runnable state, and does nothing where it already is:
 *
 *   node scripts/bootstrap.mjs                  install and compile what is missing
 *   node scripts/bootstrap.mjs FILE [ARG …]     … then run FILE in this process, so that signals and exit code are its own
 *
 * Needs Node alone. `npm start` and `npm test` begin with it, so a fresh clone needs no step before them.
 */
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** A message instead of a syntax error from somewhere inside. */
function checkNode() {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const [major, minor] = engines.node.replace(/^>=/, '').split('.').map(Number)
  const [ownMajor, ownMinor] = process.versions.node.split('.').map(Number)
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return
  process.stderr.write(
    `Lighthouse Peer needs Node ${major}.${minor} or later; this is ${process.versions.node} (${process.execPath}).\n` +
      'Install a current release from https://nodejs.org and try again.\n',
  )
  process.exit(1)
}

checkNode()
// After the check: what follows may use what an old Node does not have.
const { prepare } = await import('./lib/prepare.mjs')
try {
  await prepare(root)
} catch (error) {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
}

/** How often to look whether npm is still there. */
const PARENT_POLL_MS = 500

/**
 * npm starts scripts through a shell, and a shell that npm ends does not hand the signal on: without this, ending
 * `npm start` by its process id would leave the demo behind. Ctrl-C reaches everything by itself.
 */
function endWithParent() {
  if (process.env.npm_lifecycle_event === undefined) return
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGTERM')
  }, PARENT_POLL_MS).unref()
}

const file = process.argv[2]
if (file !== undefined) {
  endWithParent()
  const path = resolve(root, file)
  process.argv.splice(1, 2, path)
  await import(pathToFileURL(path).href)
}
