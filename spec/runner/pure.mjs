/**
 * Which specs can share one process: those that, through all they import, reach no native addon, no process and no socket.
 * Found by reading the compiled files, so that a new spec is where it belongs without being listed.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { importsOf } from '../../scripts/lib/imports.mjs'

/** What leaves something behind in a process that uses it, or brings it down. */
const impure = new Set([
  '@photostructure/sqlite',
  'node-datachannel',
  'node-datachannel/polyfill',
  'node:child_process',
  'node:dgram',
  'node:http',
  'node:https',
  'node:net',
  'node:worker_threads',
  'playwright-core',
  'simple-peer',
  'wrtc',
])

/** Every compiled spec below a folder, with its path. */
function specsBelow(folder) {
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true }) : []
  return names.filter(name => name.endsWith('.spec.js')).map(name => join(folder, name))
}

/** Paths of the specs below `folder` that are pure. */
export function pureSpecs(folder) {
  const known = new Map()
  const importsIn = path => {
    if (!known.has(path)) known.set(path, existsSync(path) ? importsOf(readFileSync(path, 'utf8')) : [])
    return known.get(path)
  }
  const isPure = spec => {
    const seen = new Set([spec])
    // Grows while it is gone through.
    for (const path of seen) {
      for (const name of importsIn(path)) {
        if (impure.has(name)) return false
        if (name.startsWith('.')) seen.add(join(dirname(path), name))
      }
    }
    return true
  }
  return specsBelow(folder).filter(isPure)
}
