/**
 * metadata.json: the key pair, the nickname and the hub of a peer, in its home folder.
 */
import { existsSync, renameSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { LighthouseError, toLighthouseError } from '../../protocol/errors.js'
import {
  type Identity,
  formatMetadata,
  invalidMetadata,
  keysDiffer,
  parseMetadata,
} from '../../protocol/peer/metadata.js'
import { isKeyPair } from '../crypto/crypto.node.js'
import {
  createPrivateFile,
  ensurePrivateFolder,
  isMissing,
  readPrivateFile,
  writePrivateFile,
} from './private-file.node.js'

/** The file of a registered peer. */
export function metadataPath(home: string): string {
  return join(home, 'metadata.json')
}

/** The key pair of a registration that is under way, or was interrupted before its answer arrived. */
export function pendingPath(home: string): string {
  return join(home, 'metadata.json.pending')
}

/** Whether the folder holds a metadata.json, readable or not. */
export function hasMetadata(home: string): boolean {
  return existsSync(metadataPath(home))
}

/** The identity in `home`; undefined when there is none. Throws `invalid-metadata` when it is unreadable, too open or malformed. */
export function readMetadata(home: string): Identity | undefined {
  return readIdentity(metadataPath(home))
}

/** The identity of an interrupted registration; undefined when there is none. Throws `invalid-metadata` like `readMetadata`. */
export function readPending(home: string): Identity | undefined {
  return readIdentity(pendingPath(home))
}

function readIdentity(path: string): Identity | undefined {
  const text = readPrivateFile(path, 'invalid-metadata')
  const identity = text === undefined ? undefined : parseMetadata(text)
  if (identity !== undefined && !isKeyPair(identity)) throw invalidMetadata(`"priv_key" ${keysDiffer}`)
  return identity
}

/** Makes the home where it is missing and keeps a key pair there before it is sent to anybody. */
export function writePending(home: string, identity: Identity): void {
  ensurePrivateFolder(home, 'invalid-metadata')
  writePrivateFile(pendingPath(home), formatMetadata(identity), 'invalid-metadata')
}

/** Moves the pending key pair out of the way under a name that holds its nickname and key; returns the path. Nothing is lost. */
export function setPendingAside(home: string, { nickname, pubKey }: Identity): string {
  const path = `${pendingPath(home)}.${nickname}-${Buffer.from(pubKey, 'base64').toString('hex').slice(0, 16)}`
  try {
    renameSync(pendingPath(home), path)
  } catch (error) {
    throw toLighthouseError('invalid-metadata', error, `cannot move "${pendingPath(home)}"`)
  }
  return path
}

/** Forgets a pending key pair that the hub refused. */
export function discardPending(home: string): void {
  try {
    unlinkSync(pendingPath(home))
  } catch (error) {
    if (!isMissing(error)) throw toLighthouseError('invalid-metadata', error, `cannot remove "${pendingPath(home)}"`)
  }
}

/**
 * The registration is complete: metadata.json appears whole, then the pending file goes. A metadata.json that another
 * process wrote in between stays as it is, and so does the pending file: throws `invalid-metadata`.
 */
export function commitPending(home: string, identity: Identity): void {
  if (!createPrivateFile(metadataPath(home), formatMetadata(identity), 'invalid-metadata')) {
    throw new LighthouseError(
      'invalid-metadata',
      `"${metadataPath(home)}" was created in the meantime; the new key pair is in "${pendingPath(home)}". Keep one of them`,
    )
  }
  discardPending(home)
}
