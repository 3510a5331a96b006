/** What is missing in a clone, and how it gets there: dependencies by `npm ci`, outputs by `tsc`. */
import { spawn } from 'node:child_process'
import { basename, join } from 'node:path'
import { dependenciesFit } from './dependencies.mjs'
import { forgetBuild, isBuilt, rememberBuild, removeOrphans, sourceStamp } from './outputs.mjs'
import { withLock } from './lock.mjs'

/**
 * Installs and compiles what is missing. Quiet, apart from one line before an installation, since that takes a while.
 * Of several processes that call it at once, one works and the others wait for it.
 */
export async function prepare(root) {
  if (dependenciesFit(root) && isBuilt(root)) return
  await withLock(join(root, '.bootstrap.lock'), async () => {
    // Looked at again: whoever held the lock before may have done it.
    if (!dependenciesFit(root)) await install(root)
    if (!isBuilt(root)) await compile(root)
  })
}

async function install(root) {
  process.stderr.write('Installing dependencies (once, and again when package-lock.json changes) …\n')
  const [command, args] = npm()
  // Compiling and testing need the development dependencies, whatever NODE_ENV says; and `npm pack --dry-run` hands its
  // flag down to every npm below it.
  const result = await run(root, command, [...args, 'ci', '--include=dev', '--no-dry-run', '--no-audit', '--no-fund'])
  if (result.code !== 0) {
    throw new Error(`${result.output}\nnpm ci failed (see above). Check the network connection, then try again.`)
  }
}

/** The npm that runs this, else the one on the path. */
function npm() {
  const own = process.env.npm_execpath
  if (own !== undefined && basename(own).startsWith('npm')) return [process.execPath, [own]]
  return [process.platform === 'win32' ? 'npm.cmd' : 'npm', []]
}

async function compile(root) {
  // Taken before the compiler reads: what is edited while it runs counts as changed.
  const stamp = sourceStamp(root)
  forgetBuild(root)
  removeOrphans(root)
  const result = await run(root, process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', root])
  if (result.code !== 0) throw new Error(`${result.output}\nThe sources do not compile (see above).`)
  rememberBuild(root, stamp)
}

/** Runs a program to its end with its output kept; it ends with this process. */
async function run(cwd, command, args) {
  const child = spawn(command, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32' && command.endsWith('.cmd'),
  })
  const output = []
  child.stdout.on('data', chunk => output.push(chunk))
  child.stderr.on('data', chunk => output.push(chunk))
  const stop = signal => {
    child.kill(signal)
    process.exit(signal === 'SIGINT' ? 130 : 143)
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', code => resolve({ code, output: Buffer.concat(output).toString().trimEnd() }))
    })
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}
