import { join } from 'node:path'
import { ensurePrivateFolder, readPrivateFile, writePrivateFile } from '../adapters/store/private-file.node.js'
import { parseMembers } from '../protocol/json.js'

/** Which process runs the peer of a home, and how to talk to it. */
export interface RunFile {
  readonly pid: number
  /** Base URL of its proxy; null while it is starting. */
  readonly url: string | null
  readonly controlToken: string
  /** ISO 8601. */
  readonly startedAt: string
}

/** The run file in a peer's home. Anybody who can read it can stop the peer: mode 0600. */
export function runPath(home: string): string {
  return join(home, 'running.json')
}

function parse(text: string): RunFile | undefined {
  // It is only ever written whole, so what cannot be read was changed by somebody else: as good as none.
  const { pid, url, controlToken, startedAt } = parseMembers(text)
  const isUrl = url === null || (typeof url === 'string' && /^http:\/\/127\.0\.0\.1:\d{1,5}\/?$/.test(url))
  if (!Number.isInteger(pid) || (pid as number) < 1 || !isUrl) return undefined
  if (typeof controlToken !== 'string' || !/^[\x21-\x7e]{1,256}$/.test(controlToken)) return undefined
  return { pid: pid as number, url, controlToken, startedAt: typeof startedAt === 'string' ? startedAt : '' }
}

/** The run file, or undefined when there is none that can be used. Throws `store-failed`. */
export function readRunFile(home: string): RunFile | undefined {
  const text = readPrivateFile(runPath(home), 'store-failed')
  return text === undefined ? undefined : parse(text)
}

/** Writes the run file, over one that an earlier process left: for whoever has the receipts of the home. Throws `store-failed`. */
export function writeRunFile(home: string, run: RunFile): void {
  ensurePrivateFolder(home, 'store-failed')
  writePrivateFile(runPath(home), `${JSON.stringify(run)}\n`, 'store-failed')
}

/** Whether a process of that id exists. One of another user does, too. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
