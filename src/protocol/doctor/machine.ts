/** What the doctor says about this machine: ports, folder, disk, file handles. */
import { formatBytes } from '../byte-size.js'
import { failing, fine, type Diagnosis, warning } from './check.js'

/** Who has a port: nobody, a program that answers as Lighthouse does, or another one. */
export type PortHolder = 'free' | 'lighthouse' | 'other'

/** The ports of the block with their holders. */
export interface PortsFound {
  readonly proxy: number
  readonly tunnels: readonly number[]
  readonly data: number
  readonly holders: ReadonlyMap<number, PortHolder>
  /** Whether the peer of this home is running, so that what answers as Lighthouse is it. */
  readonly isRunning: boolean
}

const list = (ports: readonly number[]): string => ports.join(', ')

/** The block of ports: free, in use by this peer, or by somebody else. */
export function judgePorts({ proxy, tunnels, data, holders, isRunning }: PortsFound): Diagnosis {
  const heldBy = (ports: readonly number[], holder: PortHolder): readonly number[] =>
    ports.filter(port => holders.get(port) === holder)
  const block = [proxy, ...tunnels, data]
  const range = `${Math.min(...block)} to ${Math.max(...block)}`
  const others = heldBy(block, 'other')
  const needed = heldBy([proxy, data], 'other')
  const move = 'Stop that program, or choose other ports with --port-base.'
  if (needed.length > 0 && !(isRunning && needed.every(port => port === data))) {
    return failing(`another program has port ${list(needed)}`, move, 'port-in-use')
  }
  if (heldBy(tunnels, 'other').length === tunnels.length) {
    return failing(`other programs have all tunnel ports (${list(tunnels)})`, move, 'no-tunnel-port')
  }
  if (!isRunning && holders.get(proxy) === 'lighthouse') {
    return warning(
      `another Lighthouse peer has port ${proxy}`,
      'If it is yours, name its home with --home; else choose other ports with --port-base.',
    )
  }
  if (others.length > 0) return warning(`another program has port ${list(others)}; the rest of ${range} is free`, move)
  return fine(isRunning ? `${range} belong to the running peer, or are free` : `${range} are free`)
}

/** Less than this is full soon: a film, the receipts of years. */
const littleBytes = 1_000_000_000
/** A hundred times what a peer writes in a day. */
const leastBytes = 20_000_000

/** The disk of the home. `failure` is why nothing can be written there. */
export function judgeDisk(path: string, freeBytes: number | undefined, failure: string | undefined): Diagnosis {
  if (failure !== undefined) {
    return failing(
      `"${path}" cannot be written to (${failure})`,
      'Check the permissions of the folder.',
      'store-failed',
    )
  }
  if (freeBytes === undefined) return fine(`"${path}" can be written to`)
  const free = `${formatBytes(freeBytes)} free at "${path}"`
  const next = 'Make room: receipts that cannot be written are lost.'
  if (freeBytes < leastBytes) return failing(free, next, 'store-failed')
  return freeBytes < littleBytes ? warning(free, next) : fine(free)
}

/** What systems give by default: enough for a hundred streams at a time and all connections. */
const enoughHandles = 1_024
/** Ten tunnels with a browser on each, and two dozen for itself. */
const leastHandles = 256

/** How many files a process may have open; undefined where the system does not say. */
export function judgeHandles(limit: number | undefined): Diagnosis {
  if (limit === undefined) return fine('this system does not limit them')
  const raise = `Raise it: ulimit -n 4096, or LimitNOFILE= in a systemd unit.`
  if (limit < leastHandles) return failing(`at most ${limit} files may be open`, raise)
  return limit < enoughHandles
    ? warning(`at most ${limit} files may be open, which many connections at once use up`, raise)
    : fine(`at most ${limit} files may be open`)
}

/** What was found of the share. */
export type ShareFound =
  | { readonly type: 'none' }
  | { readonly type: 'folder'; readonly path: string; readonly failure: string | undefined }
  | { readonly type: 'tcp'; readonly address: string; readonly failure: string | undefined }

/** What is shared: there, and readable. */
export function judgeShare(found: ShareFound): Diagnosis {
  if (found.type === 'none') {
    return warning('nothing is shared, so no coins are earned', 'Share a folder: lighthouse-peer up --share DIR')
  }
  const what = found.type === 'folder' ? `"${found.path}"` : found.address
  if (found.failure === undefined) return fine(found.type === 'folder' ? `${what} can be read` : `${what} answers`)
  const next =
    found.type === 'folder'
      ? 'Check that the folder exists and that you may read it, or choose another with --share.'
      : 'Start the program that is shared, or choose another address with --share.'
  const verb = found.type === 'folder' ? 'cannot be read' : 'does not answer'
  return failing(`${what} ${verb} (${found.failure})`, next, 'invalid-share')
}

/** What was found of the WebRTC implementations. */
export interface EnginesFound {
  /** The one that is used; undefined where none loads. */
  readonly used: string | undefined
  /** Why the default one does not load. */
  readonly missing: string | undefined
  readonly failure: string | undefined
}

/** Whether there is a WebRTC implementation. */
export function judgeEngines({ used, missing, failure }: EnginesFound): Diagnosis {
  const again = 'Install Lighthouse again, with the packages for this platform.'
  if (used === undefined) return failing(`no WebRTC implementation can be loaded (${failure})`, again, 'invalid-option')
  return missing === undefined
    ? fine(`${used} loads`)
    : warning(`node-datachannel cannot be loaded, and ${used} is used in its place (${missing})`, again)
}
