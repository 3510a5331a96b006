/**
 * The file beside a database that names its owner, so that a database that was lost, emptied or mixed up is noticed: nothing in a
 * new database shows that there was another one before.
 */
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { KeyMarker } from '../../ports.js'
import { LighthouseError, toLighthouseError } from '../../protocol/errors.js'
import { fingerprintPattern } from '../../protocol/peer/fingerprint.js'
import { fingerprintOf } from '../crypto/crypto.node.js'
import { isMissing, writePrivateFile } from './private-file.node.js'

const content = new RegExp(`^(${fingerprintPattern.source})\n`)

/** The marker of a database file. */
export function markerPath(databasePath: string): string {
  return `${databasePath}.fingerprint`
}

function read(path: string): string | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw toLighthouseError('store-failed', error, `cannot read "${path}"`)
  }
  const [, known] = content.exec(text) ?? []
  if (known !== undefined) return known
  throw new LighthouseError(
    'store-failed',
    `"${path}" holds no fingerprint. Remove it if the database beside it is the right one`,
  )
}

function write(path: string, pubKey: string): void {
  const text = 'The key of the database beside this file. While this is here, a database that is lost is missed.'
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  } catch (error) {
    throw toLighthouseError('store-failed', error, `cannot make the folder of "${path}"`)
  }
  writePrivateFile(path, `${fingerprintOf(pubKey)}\n${text}\n`, 'store-failed')
}

/** The marker in this file. */
export function keyMarker(path: string): KeyMarker {
  return { path, read: () => read(path), write: pubKey => write(path, pubKey), fingerprint: fingerprintOf }
}

/** What is wrong with a file that holds a database: undefined when there is something in it. Throws `store-failed`. */
export function fileProblem(path: string): 'missing' | 'empty' | undefined {
  try {
    return statSync(path).size === 0 ? 'empty' : undefined
  } catch (error) {
    if (isMissing(error)) return 'missing'
    throw toLighthouseError('store-failed', error, `cannot read "${path}"`)
  }
}
