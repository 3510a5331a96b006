/**
 * Checks package-lock.json for what would make an installation fail or differ elsewhere:
 * a platform binary that npm dropped from the lock, a recorded download address, an install script nobody decided about.
 * `node scripts/check-lock.mjs [FOLDER]`; exit code 1 with a line for each finding.
 */
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(process.argv[2] ?? dirname(dirname(fileURLToPath(import.meta.url))))
const read = name => JSON.parse(readFileSync(join(root, name), 'utf8'))
const { packages } = read('package-lock.json')
const { allowScripts = {} } = read('package.json')

/** Looks where Node would: below the package itself, then in each folder above. */
function isLocked(path, name) {
  for (let folder = path; ; folder = folder.replace(/\/?node_modules\/(@[^/]+\/)?[^/]+$/, '')) {
    if (packages[`${folder === '' ? '' : `${folder}/`}node_modules/${name}`] !== undefined) return true
    if (folder === '') return false
  }
}

const nameOf = path => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)

const findings = []
for (const [path, entry] of Object.entries(packages)) {
  for (const name of Object.keys(entry.optionalDependencies ?? {})) {
    if (!isLocked(path, name))
      findings.push(
        `${path || 'package.json'}: ${name} is not in the lock; pin a release whose binaries are all published`,
      )
  }
  if (entry.resolved !== undefined && entry.link !== true) findings.push(`${path}: records a download address`)
  // A folder of this repository, which a link leads to, is not downloaded.
  const isOwn = entry.link === true || !path.includes('node_modules/')
  if (!isOwn && entry.integrity === undefined) findings.push(`${path}: has no integrity`)
  if (entry.hasInstallScript === true && allowScripts[nameOf(path)] === undefined) {
    findings.push(`${path}: has an install script; decide about it in allowScripts of package.json`)
  }
}

if (findings.length > 0) {
  process.stderr.write(`${findings.join('\n')}\n`)
  process.exitCode = 1
} else {
  process.stdout.write(`${Object.keys(packages).length} locked packages are complete\n`)
}
