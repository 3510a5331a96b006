/**
 * What distinguishes the versions of a file. A program that writes to a file can set its size and modification time back;
 * its change time (ctime) is the file system's own.
 */

/** A file's state in the file system. Times in nanoseconds since 1970. */
export interface FileState {
  readonly ino: bigint
  readonly size: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
}

/** Whether no byte can have changed between the two. A change of name, links or permissions counts as one, too. */
export function isSameVersion(a: FileState, b: FileState): boolean {
  return a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs
}

/** The last moment at which bytes can have changed, in milliseconds since 1970. */
export function changedMs({ mtimeNs, ctimeNs }: FileState): number {
  return Number((mtimeNs > ctimeNs ? mtimeNs : ctimeNs) / 1_000_000n)
}

/** Kernels count ticks of up to 10 ms, Windows of 16. */
const fineTickMs = 20
/** Where times are whole seconds: FAT counts every other one. */
const coarseTickMs = 2_000

/** How many milliseconds the clock of a file may be behind ours: two changes within that time can get the same time. */
export function tickMs({ mtimeNs, ctimeNs }: FileState): number {
  return [mtimeNs, ctimeNs].every(time => time % 1_000_000_000n === 0n) ? coarseTickMs : fineTickMs
}

/**
 * How many milliseconds to wait until a change made from then on must show in the times of the file, and what is seen of it
 * now is one version. 0 for a file that was left alone for a moment.
 */
export function unsettledMs(state: FileState, nowMs: number): number {
  const ages = [state.mtimeNs, state.ctimeNs].map(time => Math.abs(nowMs - Number(time / 1_000_000n)))
  return Math.max(0, tickMs(state) + 1 - Math.min(...ages))
}
