import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { toLighthouseError } from '../protocol/errors.js'
import type { Evidence } from '../protocol/evidence.js'
import { createPrivateFile, ensurePrivateFolder } from './private-file.node.js'

/** A hostile hub does not fill the disk. */
const maxFiles = 100

const pattern = /^evidence-.*\.json$/

/** `2026-11-22T20-13-05.123Z`: a time that every file system takes for a name. */
function stamp(timeMs: number): string {
  return new Date(timeMs).toISOString().replaceAll(':', '-')
}

/**
 * Writes evidence to `evidence-<UTC time>-<kind>.json` in the home, mode 0600, and returns the path. A file that is there is
 * never replaced. Returns undefined, and writes nothing, when a hundred are there. Throws `store-failed`.
 */
export function writeEvidence(
  home: string,
  evidence: Evidence & { readonly hub: string },
  timeMs: number,
): string | undefined {
  ensurePrivateFolder(home, 'store-failed')
  let files: number
  try {
    files = readdirSync(home).filter(name => pattern.test(name)).length
  } catch (error) {
    throw toLighthouseError('store-failed', error, `cannot read "${home}"`)
  }
  const text = `${JSON.stringify({ version: 1, time: new Date(timeMs).toISOString(), ...evidence }, null, 2)}\n`
  for (; files < maxFiles; files += 1) {
    const path = join(home, `evidence-${stamp(timeMs)}-${evidence.kind}${files === 0 ? '' : `-${files}`}.json`)
    if (createPrivateFile(path, text, 'store-failed')) return path
  }
  return undefined
}
