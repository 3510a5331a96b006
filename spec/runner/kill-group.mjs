/**
 * Ends a process that leads a group, and all that it started. A process that stands still, or whose parent is gone, notices
 * nothing less than this.
 */
export function killGroup({ pid }) {
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL')
  } catch (error) {
    // Nothing is left of it: the usual case.
    if (error.code !== 'ESRCH') throw error
  }
}
