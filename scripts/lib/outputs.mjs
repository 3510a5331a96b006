/** What tsc and esbuild have made in dist/, and whether it still belongs to the sources. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'

/** The folders that tsconfig.json includes. */
const SOURCE_FOLDERS = ['src', 'spec', 'bench', 'examples']
/** What decides about the output beside the sources. */
const SETTINGS = ['tsconfig.json', 'package.json', 'package-lock.json']
/** The browser's programs: each file in it becomes one of the same name. */
const PAGES = 'src/web'
export const PAGES_OUTPUT = `dist/${PAGES}`
const SOURCE = /(?<!\.d)\.ts$/
const OUTPUT = /(\.d\.ts|\.js|\.js\.map)$/

const stampPath = root => join(root, 'dist/.built')

/** Files below a folder, as paths from the root with `/`. */
function filesBelow(root, folder) {
  const start = join(root, folder)
  if (!existsSync(start)) return []
  return readdirSync(start, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry =>
      relative(root, join(entry.parentPath ?? entry.path, entry.name))
        .split(sep)
        .join('/'),
    )
}

const isPage = file => file.startsWith(`${PAGES}/`)
/** Everything that becomes output. */
const sources = root =>
  SOURCE_FOLDERS.flatMap(folder => filesBelow(root, folder)).filter(file => file.endsWith('.ts') || isPage(file))

/** What is bundled, as paths from the root. */
export const pageSources = root =>
  filesBelow(root, PAGES).filter(file => file.split('/').length === 3 && !file.endsWith('.json'))

/** Name, time and size of everything that the output depends on: any edit, addition or removal changes it. */
export function sourceStamp(root) {
  const lines = [...sources(root), ...SETTINGS].map(file => {
    const { mtimeMs, size } = statSync(join(root, file))
    return `${file} ${mtimeMs} ${size}`
  })
  return lines.toSorted().join('\n')
}

/** Path of the JavaScript that a source becomes. */
const outputOf = source => `dist/${source.replace(SOURCE, '.js')}`

const outputsPresent = root =>
  [...sources(root).filter(file => SOURCE.test(file) && !isPage(file)), ...pageSources(root)].every(file =>
    existsSync(join(root, outputOf(file))),
  )

/** True when the last build succeeded, of just these sources, and its output is still there. */
export function isBuilt(root) {
  if (!existsSync(stampPath(root))) return false
  return readFileSync(stampPath(root), 'utf8') === sourceStamp(root) && outputsPresent(root)
}

export function rememberBuild(root, stamp) {
  mkdirSync(join(root, 'dist'), { recursive: true })
  writeFileSync(stampPath(root), stamp)
}

/** To be called before a build. */
export function forgetBuild(root) {
  rmSync(stampPath(root), { force: true })
  // tsc's record says what it wrote, not whether it is still there: without the record it writes everything again.
  if (!outputsPresent(root)) rmSync(join(root, 'dist/.tsbuildinfo'), { force: true })
}

/** tsc never removes anything: a spec that was deleted would run for ever. */
export function removeOrphans(root) {
  for (const folder of SOURCE_FOLDERS) {
    for (const file of filesBelow(root, `dist/${folder}`)) {
      const source = file.replace(/^dist\//, '').replace(OUTPUT, '.ts')
      if (OUTPUT.test(file) && !existsSync(join(root, source))) rmSync(join(root, file), { force: true })
    }
  }
}
