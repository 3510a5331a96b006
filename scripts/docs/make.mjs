/**
 * Writes the API reference of every entry of the package into docs/api, from the doc comments. Any warning is an error: a
 * link that leads nowhere, a public name without a comment, a type in a signature that cannot be imported.
 * `node scripts/docs/make.mjs [FOLDER]`
 */
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Application, LogLevel } from 'typedoc'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const { exports: entries, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const sources = Object.values(entries)
  .filter(entry => typeof entry !== 'string')
  .map(({ default: file }) => join(root, file.replace('/dist/', '/').replace(/\.js$/, '.ts')))

const hasComplaints = () => app.logger.hasErrors() || app.logger.hasWarnings()
const app = await Application.bootstrap({
  name: `lighthouse-peer ${version}`,
  tsconfig: join(root, 'scripts/docs/tsconfig.json'),
  readme: join(root, 'README.md'),
  out: resolve(process.argv[2] ?? join(root, 'docs/api')),
  treatWarningsAsErrors: true,
  validation: {
    notExported: true,
    invalidLink: true,
    invalidPath: true,
    notDocumented: true,
    unusedMergeModuleWith: true,
  },
  requiredToBeDocumented: ['Function', 'Class', 'Interface', 'TypeAlias', 'Variable', 'Enum'],
  disableSources: true,
  hideGenerator: true,
  githubPages: false,
  logLevel: LogLevel.Warn,
})

/** The entry's API, or the end of this program: what is missing has been printed. */
async function converted(entryPoints) {
  app.options.setValue('entryPoints', entryPoints)
  const project = await app.convert()
  if (project !== undefined) app.validate(project)
  return project
}

// Each by itself first: what one entry's signatures name has to come from that entry, and not from another.
for (const source of sources) await converted([source])
const project = await converted(sources)
if (project !== undefined && !hasComplaints()) await app.generateOutputs(project)
process.exitCode = hasComplaints() ? 1 : 0
