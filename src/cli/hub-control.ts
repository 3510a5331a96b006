import { readPrivateFile, writePrivateFile } from '../adapters/store/private-file.node.js'
import { LighthouseError } from '../protocol/errors.js'
import { parseMembers } from '../protocol/json.js'
import { askLocal } from './ask-local.js'

/** A hub on this machine answers within milliseconds; after this long it hangs. */
const answerTimeoutMs = 5_000

/** How to talk to the hub that has a database file to itself. */
export interface HubControl {
  /** Its address on this machine. */
  readonly url: string
  readonly controlToken: string
}

/**
 * The file beside a SQLite database that describes how to reach its hub while that runs. Anybody who can read it can make
 * invites: mode 0600, like the database.
 */
export function controlPath(databasePath: string): string {
  return `${databasePath}.control`
}

/** Throws `store-failed`. */
export function writeHubControl(databasePath: string, control: HubControl): void {
  writePrivateFile(controlPath(databasePath), `${JSON.stringify(control)}\n`, 'store-failed')
}

/** Undefined when there is none that can be used. Throws `store-failed` when others may read it. */
export function readHubControl(databasePath: string): HubControl | undefined {
  const content = readPrivateFile(controlPath(databasePath), 'store-failed')
  if (content === undefined) return undefined
  // Only ever written whole, so what is no such file was changed by somebody else: as good as none.
  const { url, controlToken } = parseMembers(content)
  const usable = typeof url === 'string' && url.startsWith('http://') && URL.canParse(url)
  if (!usable || typeof controlToken !== 'string' || !/^[\x21-\x7e]{32,256}$/.test(controlToken)) return undefined
  return { url, controlToken }
}

/**
 * Asks the running hub for invites. Undefined when nobody listens there, or somebody who does not know the token: the hub
 * was killed, and its port may be another's by now. Throws `hub-unreachable` when it does not answer properly.
 */
export async function askForInvites(
  { url, controlToken }: HubControl,
  count: number,
): Promise<readonly string[] | undefined> {
  const unreachable = (reason: string): LighthouseError =>
    new LighthouseError('hub-unreachable', `The hub at ${url} ${reason}`)
  try {
    const { status, body } = await askLocal(new URL(`/control/invites?count=${count}`, url), {
      method: 'POST',
      controlToken,
      signal: AbortSignal.timeout(answerTimeoutMs),
    })
    if (status === 404) return undefined
    if (status !== 201) throw unreachable(`answers with status ${status}`)
    return (JSON.parse(body) as { readonly invites: readonly string[] }).invites
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') return undefined
    if (error instanceof LighthouseError) throw error
    throw unreachable(`did not answer within ${answerTimeoutMs / 1000} s`)
  }
}
