import { unlinkSync } from 'node:fs'
import { join } from 'node:path'
import {
  createPrivateFile,
  ensurePrivateFolder,
  isMissing,
  readPrivateFile,
  writePrivateFile,
} from '../adapters/private-file.node.js'
import { toLighthouseError } from '../protocol/errors.js'

/** Which process runs the peer of a home, and how to talk to it. */
export interface RunFile {
  readonly pid: number
  /** Base URL of its proxy; null while it is starting. */
  readonly url: string | null
  readonly controlToken: string
  /** ISO 8601. */
  readonly startedAt: string
}

/** The run file in a peer's home. Whoever may read it may stop the peer: mode 0600. */
export function runPath(home: string): string {
  return join(home, 'running.json')
}

function parse(text: string): RunFile | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // It is only ever written whole, so somebody else changed it: as good as none.
    return undefined
  }
  const { pid, url, controlToken, startedAt } = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >
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

/** Writes the run file where there is none; false when there is one already. Throws `store-failed`. */
export function claimRunFile(home: string, run: RunFile): boolean {
  ensurePrivateFolder(home, 'store-failed')
  return createPrivateFile(runPath(home), `${JSON.stringify(run)}\n`, 'store-failed')
}

/** Says where the peer listens. Throws `store-failed`. */
export function publishRunFile(home: string, run: RunFile): void {
  writePrivateFile(runPath(home), `${JSON.stringify(run)}\n`, 'store-failed')
}

/** Removes the run file. Throws `store-failed`. */
export function removeRunFile(home: string): void {
  try {
    unlinkSync(runPath(home))
  } catch (error) {
    if (!isMissing(error)) throw toLighthouseError('store-failed', error, `cannot remove "${runPath(home)}"`)
  }
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
