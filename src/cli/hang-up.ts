/**
 * What happens when a terminal goes away: its window is closed, or the connection to it breaks.
 */
import { closeSync, readFileSync } from 'node:fs'
import { isatty } from 'node:tty'

/** SIGHUP in the masks of /proc: signal 1 is the lowest bit. */
const hangUpBit = 1n

/** Whether a process ignores SIGHUP, by its `/proc/PID/status`. */
function statusIgnores(status: string): boolean {
  const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(status)?.[1]
  return mask !== undefined && (BigInt(`0x${mask}`) & hangUpBit) !== 0n
}

function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    // Not Linux, or the parent is gone.
    return ''
  }
}

/**
 * Whether SIGHUP is to be ignored. Node resets ignored signals before our first line runs, so what `nohup` or `trap '' HUP`
 * set can only be inferred. nohup lets nothing write to a terminal, and a process that writes to none does not depend on
 * one. A shell with `trap '' HUP` ignores the signal itself, which Linux shows.
 */
export function ignoresHangUp(writesToTerminal: boolean, parentStatus = readStatus(process.ppid)): boolean {
  return !writesToTerminal || statusIgnores(parentStatus)
}

/**
 * Node restores the settings of its terminals when it ends, and before Node 24 it aborts where one is gone. It leaves a
 * descriptor alone that is closed.
 */
export function closeLostTerminalsAtExit(): void {
  const terminals = [0, 1, 2].filter(descriptor => isatty(descriptor))
  process.on('exit', () => {
    for (const descriptor of terminals) if (!isatty(descriptor)) closeSync(descriptor)
  })
}
