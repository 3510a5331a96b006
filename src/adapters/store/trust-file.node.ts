/**
 * known_peers.json: keys remembered on first use.
 */
import { join } from 'node:path'
import type { TrustStore } from '../../ports.js'
import { LighthouseError } from '../../protocol/errors.js'
import { isRecord, membersOf } from '../../protocol/json.js'
import { isPublicKey } from '../../protocol/signaling/signal.js'
import { ensurePrivateFolder, readPrivateFile, writePrivateFile } from './private-file.node.js'

type Kind = Parameters<TrustStore['known']>[0]
type Known = Record<Kind, Map<string, string>>

/** The file in a peer's home. */
export function trustPath(home: string): string {
  return join(home, 'known_peers.json')
}

function readKeys(value: unknown): Map<string, string> | undefined {
  if (!isRecord(value)) return undefined
  const entries = Object.entries(value)
  return entries.every((entry): entry is [string, string] => isPublicKey(entry[1])) ? new Map(entries) : undefined
}

function parse(path: string, text: string): Known {
  // What cannot be read is never replaced: it would silently trust everybody anew.
  const next = 'Restore it, or remove it to trust every key anew'
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new LighthouseError('store-failed', `"${path}" is not JSON. ${next}`, {}, { cause })
  }
  const { version, hub, peer } = membersOf(value)
  const known = { hub: readKeys(hub), peer: readKeys(peer) }
  if (version !== 1 || known.hub === undefined || known.peer === undefined) {
    throw new LighthouseError('store-failed', `"${path}" does not hold remembered keys. ${next}`)
  }
  return { hub: known.hub, peer: known.peer }
}

function format(known: Known): string {
  const file = { version: 1, hub: Object.fromEntries(known.hub), peer: Object.fromEntries(known.peer) }
  return `${JSON.stringify(file, null, 2)}\n`
}

function readKnown(path: string): Known {
  const text = readPrivateFile(path, 'store-failed')
  return text === undefined ? { hub: new Map(), peer: new Map() } : parse(path, text)
}

/**
 * Keys remembered in `home`. The file is read once, here, and written (atomically, mode 0600) with each change.
 * One process a home may use it at a time. Throws `store-failed` when the file is malformed, too open, or cannot be written.
 */
export function openTrustFile(home: string): TrustStore {
  const path = trustPath(home)
  const known = readKnown(path)
  const change = (kind: Kind, names: Map<string, string>): void => {
    ensurePrivateFolder(home, 'store-failed')
    writePrivateFile(path, format({ ...known, [kind]: names }), 'store-failed')
    known[kind] = names
  }
  return {
    known: (kind, name) => known[kind].get(name),
    remember: (kind, name, key) => change(kind, new Map(known[kind]).set(name, key)),
    forget: (kind, name) => change(kind, new Map([...known[kind]].filter(([other]) => other !== name))),
  }
}
