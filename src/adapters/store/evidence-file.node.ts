import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { toLighthouseError } from '../../protocol/errors.js'
import type { Evidence } from '../../protocol/ledger/evidence.js'
import { createPrivateFile, ensurePrivateFolder } from './private-file.node.js'

/** A hostile hub does not fill the disk, nor does it hide one kind of finding behind another. */
const maxFilesOfKind = 100

/** `2026-11-22T20-13-05.123Z`: a time that every file system takes for a name. */
function stamp(timeMs: number): string {
  return new Date(timeMs).toISOString().replaceAll(':', '-')
}

/** Whether a file says the same of the same hub. Its proof may have grown since. */
function saysSame(path: string, { hub, message }: { readonly hub: string; readonly message: string }): boolean {
  try {
    const kept = JSON.parse(readFileSync(path, 'utf8')) as { readonly hub?: unknown; readonly message?: unknown } | null
    return kept?.hub === hub && kept.message === message
  } catch {
    // Somebody else's file, or a truncated one.
    return false
  }
}

/**
 * Writes evidence to `evidence-<UTC time>-<kind>.json` in the home, mode 0600, and returns the path. A file that is there is
 * never replaced, and where one says the same its path is returned. Returns undefined, and writes nothing, when a hundred of
 * this kind are there. Throws `store-failed`.
 */
export function writeEvidence(
  home: string,
  evidence: Evidence & { readonly hub: string },
  timeMs: number,
): string | undefined {
  ensurePrivateFolder(home, 'store-failed')
  const { kind } = evidence
  const text = `${JSON.stringify({ version: 1, time: new Date(timeMs).toISOString(), ...evidence }, null, 2)}\n`
  const pattern = new RegExp(`^evidence-.*-${kind}(-\\d+)?\\.json$`)
  let paths: readonly string[]
  try {
    paths = readdirSync(home).flatMap(name => (pattern.test(name) ? [join(home, name)] : []))
    const same = paths.find(path => saysSame(path, evidence))
    if (same !== undefined) return same
  } catch (error) {
    throw toLighthouseError('store-failed', error, `cannot read the evidence in "${home}"`)
  }
  for (let number = paths.length; number < maxFilesOfKind; number += 1) {
    const path = join(home, `evidence-${stamp(timeMs)}-${kind}${number === 0 ? '' : `-${number}`}.json`)
    if (createPrivateFile(path, text, 'store-failed')) return path
  }
  return undefined
}
