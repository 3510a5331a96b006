/**
 * Checks what would be published: packs, looks at the list of files, installs the archive into an empty project outside
 * the repository, imports every entry, compiles against its types and runs the command.
 * `node scripts/check-package.mjs`; exit code 1 with a line for each finding.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const { name, version, exports: entries, bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'

/** What users need, and what they have no use for. */
const REQUIRED = [
  /^dist\/src\/web\/dashboard\.(js|css|svg)$/,
  /^dist\/src\/web\/LICENSES\.txt$/,
  /^README\.md$/,
  /^LICENSE$/,
  /^CHANGELOG\.md$/,
  /^docs\/.+/,
  /^media\/.+/,
]
const UNWANTED = [/^dist\/(?!src\/)/, /tsbuildinfo/, /\.spec\./, /(?<!\.d)\.ts$/, /metadata\.json$/, /^docs\/api\//]

const findings = []

/** Output of a program; a failure is a finding. */
function run(what, command, args, cwd) {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8', shell: process.platform === 'win32' })
  if (result.status !== 0) findings.push(`${what} failed:\n${result.stdout}${result.stderr}`)
  return result.stdout
}

/** The packed archive's path. */
function pack(folder) {
  const output = run('npm pack', npm, ['pack', '--json', '--pack-destination', folder], root)
  if (findings.length > 0) return ''
  // A list up to npm 11, an object by name after it.
  const [{ filename, files }] = Object.values(JSON.parse(output))
  const paths = files.map(file => file.path)
  const targets = Object.values(entries).flatMap(entry => (typeof entry === 'string' ? [] : Object.values(entry)))
  for (const target of [...targets, ...Object.values(bin)].map(path => path.replace(/^\.\//, ''))) {
    if (!paths.includes(target)) findings.push(`package.json names ${target}, which is not in the package`)
  }
  for (const wanted of REQUIRED) if (!paths.some(path => wanted.test(path))) findings.push(`nothing fits ${wanted}`)
  findings.push(...paths.filter(path => UNWANTED.some(pattern => pattern.test(path))).map(path => `${path} is packed`))
  return join(folder, filename)
}

/** Names under which others import this. */
const names = Object.keys(entries)
  .filter(entry => !entry.endsWith('.json'))
  .map(entry => name + entry.slice(1))

/** The README's examples in TypeScript: what it shows has to compile. */
const readmeSamples = () =>
  [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(match => match[1])

function tryOut(folder, archive) {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }))
  run('npm install of the package', npm, ['install', '--no-audit', '--no-fund', '--ignore-scripts', archive], folder)
  for (const entry of names) {
    const code = `const all = await import('${entry}'); if (Object.keys(all).length === 0) throw new Error('exports nothing')`
    run(`import of ${entry}`, process.execPath, ['--input-type=module', '-e', code], folder)
  }
  const samples = readmeSamples().map((code, at) => [`readme${at + 1}.ts`, code])
  samples.push(['all.ts', names.map((entry, at) => `export * as entry${at} from '${entry}'`).join('\n')])
  for (const [file, code] of samples) writeFileSync(join(folder, file), code)
  const settings = { strict: true, noEmit: true, module: 'nodenext', target: 'es2022', types: [] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: settings, include: ['*.ts'] }))
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  run('compiling against the types', process.execPath, [compiler, '-p', '.'], folder)
  const printed = run('lighthouse-peer --version', npm, ['exec', '--no', '--', 'lighthouse-peer', '--version'], folder)
  if (!printed.includes(version)) findings.push(`lighthouse-peer --version printed ${JSON.stringify(printed)}`)
}

const folder = mkdtempSync(join(tmpdir(), 'lighthouse-package-'))
try {
  const archive = pack(folder)
  if (findings.length === 0) tryOut(folder, archive)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
if (findings.length > 0) {
  process.stderr.write(`${findings.join('\n')}\n`)
  process.exitCode = 1
} else {
  process.stdout.write(`${name} ${version} can be installed and used\n`)
}
