/**
 * The file beside a database that names its owner, so that a database that was lost, emptied or mixed up is noticed: nothing in a
 * new database shows that there was another one before.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { KeyMarker } from '../../ports/key-marker.js'
import { LighthouseError, toLighthouseError } from '../../protocol/errors.js'
import { fingerprintPattern } from '../../protocol/peer/fingerprint.js'
import { fingerprintOf } from '../crypto/crypto.node.js'
import { isMissing, writePrivateFile } from './private-file.node.js'

/** What stood for a key in files of earlier versions. */
const formerPattern = /SHA256:[A-Za-z0-9+/]{43}/

function formerFingerprint(pubKey: string): string {
  const digest = createHash('sha256').update(Buffer.from(pubKey, 'base64')).digest('base64')
  return `SHA256:${digest.replace(/=+$/, '')}`
}

/** The first line of such a file, with the line's end. */
export const markerLine = new RegExp(`^(${fingerprintPattern.source}|${formerPattern.source})\n`)

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
  const [, known] = markerLine.exec(text) ?? []
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
  return {
    path,
    read: () => read(path),
    write: pubKey => write(path, pubKey),
    stands: (known, pubKey) => known === (formerPattern.test(known) ? formerFingerprint : fingerprintOf)(pubKey),
    fingerprint: fingerprintOf,
  }
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
