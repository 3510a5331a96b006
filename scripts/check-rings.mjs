/**
 * Checks that imports in src/ point inwards only (the table is scripts/lib/rings.mjs), type imports
 * included, without circles, and that no name is exported by two files, so that each stands for one thing. `node scripts/check-rings.mjs [FOLDER]`; exit code 1 with a line for each violation.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { codeOnly, exportsOf, importsOf } from './lib/imports.mjs'
import { circlesIn, complaintsAbout, sharedNames } from './lib/rings.mjs'

const source = resolve(process.argv[2] ?? join(dirname(dirname(fileURLToPath(import.meta.url))), 'src'))
if (!existsSync(source)) {
  process.stderr.write(`${source} does not exist.\n`)
  process.exit(2)
}

const slashes = path => path.split(sep).join('/')
const files = readdirSync(source, { recursive: true })
  .map(slashes)
  .filter(file => /(?<!\.d)\.ts$/.test(file))
  .toSorted()

/** Where a module name leads. */
function classify(file, name) {
  if (name.startsWith('.')) {
    const target = slashes(relative(source, resolve(source, dirname(file), name))).replace(/\.js$/, '.ts')
    return { type: 'inside', target }
  }
  return name.startsWith('node:') || builtinModules.includes(name)
    ? { type: 'node', target: name }
    : { type: 'package', target: name }
}

const graph = new Map()
const exported = new Map()
const complaints = []
for (const file of files) {
  const text = readFileSync(join(source, file), 'utf8')
  const imports = importsOf(text).map(name => classify(file, name))
  complaints.push(...complaintsAbout({ file, imports, code: codeOnly(text) }))
  exported.set(file, exportsOf(text))
  graph.set(
    file,
    imports.filter(({ type }) => type === 'inside').map(({ target }) => target),
  )
}
complaints.push(...sharedNames(exported))
complaints.push(...circlesIn(graph).map(circle => `circle: ${circle.join(' → ')}`))

if (complaints.length > 0) {
  process.stderr.write(`${complaints.join('\n')}\n`)
  process.exitCode = 1
} else {
  process.stdout.write(`${files.length} files keep to the rings\n`)
}
