/**
 * sites.json: what the user said about the sites of other peers.
 */
import { join } from 'node:path'
import type { SiteChoice, SiteStore } from '../../ports/sites.js'
import { LighthouseError } from '../../protocol/errors.js'
import { isPublicKey } from '../../protocol/signaling/signal.js'
import { ensurePrivateFolder, readPrivateFile, writePrivateFile } from './private-file.node.js'

function isChoice(value: unknown): value is SiteChoice {
  return value === 'trusted' || value === 'plain'
}

function parse(path: string, text: string): Map<string, SiteChoice> {
  try {
    const { version, sites } = JSON.parse(text) as { version?: unknown; sites?: unknown }
    const entries = Object.entries(typeof sites === 'object' && sites !== null ? sites : {})
    const areValid = entries.every(
      (entry): entry is [string, SiteChoice] => isPublicKey(entry[0]) && isChoice(entry[1]),
    )
    if (version === 1 && areValid) return new Map(entries)
  } catch (cause) {
    throw new LighthouseError(
      'store-failed',
      `"${path}" is not JSON. Restore it, or remove it to be asked again.`,
      {},
      { cause },
    )
  }
  throw new LighthouseError(
    'store-failed',
    `"${path}" does not hold what was said about sites. Restore it, or remove it to be asked again.`,
  )
}

/**
 * Choices remembered in `home`. The file is read once, here, and written (atomically, mode 0600) with each choice.
 * One process a home may use it at a time. Throws `store-failed` when the file is malformed or too open.
 */
export function openSiteFile(home: string): SiteStore {
  const path = join(home, 'sites.json')
  const text = readPrivateFile(path, 'store-failed')
  let choices = text === undefined ? new Map<string, SiteChoice>() : parse(path, text)
  const change = (changed: Map<string, SiteChoice>): void => {
    ensurePrivateFolder(home, 'store-failed')
    const content = { version: 1, sites: Object.fromEntries(changed) }
    writePrivateFile(path, `${JSON.stringify(content, null, 2)}\n`, 'store-failed')
    choices = changed
  }
  return {
    choice: key => choices.get(key),
    choose: (key, choice) => change(new Map(choices).set(key, choice)),
    forget: key => change(new Map([...choices].filter(([other]) => other !== key))),
  }
}
