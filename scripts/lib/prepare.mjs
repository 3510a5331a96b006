/** What is missing in a clone, and how it gets there: dependencies by `npm ci`, outputs by `tsc` and `esbuild`. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { dependenciesFit } from './dependencies.mjs'
import {
  forgetBuild,
  isBuilt,
  PAGES_OUTPUT,
  pageSources,
  rememberBuild,
  removeOrphans,
  sourceStamp,
} from './outputs.mjs'
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
  await bundlePages(root)
  rememberBuild(root, stamp)
}

/** The browser's programs, each in one file with what it uses of libraries. Their licences come beside them. */
async function bundlePages(root) {
  const { buildSync } = await import('esbuild')
  const result = buildSync({
    entryPoints: pageSources(root).map(file => join(root, file)),
    outdir: join(root, PAGES_OUTPUT),
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2022',
    loader: { '.svg': 'copy' },
    legalComments: 'none',
    metafile: true,
    logLevel: 'silent',
  })
  const inputs = Object.keys(result.metafile.inputs).flatMap(
    path => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? [],
  )
  const licences = [...new Set(inputs)]
    .toSorted()
    .map(name => `${name}\n\n${licenceOf(join(root, 'node_modules', name))}`)
  if (licences.length > 0) writeFileSync(join(root, PAGES_OUTPUT, 'LICENSES.txt'), licences.join('\n\n'))
}

function licenceOf(folder) {
  const file = readdirSync(folder).find(name => /^licen[cs]e/i.test(name))
  if (file === undefined) throw new Error(`${folder} has no licence, and part of it would be given away.`)
  return readFileSync(join(folder, file), 'utf8').trimEnd()
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
