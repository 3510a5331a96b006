/** What Linux says of processes and threads. */
import { readdirSync, readFileSync } from 'node:fs'

/** The processes that this one started and that have not ended. */
export function childrenOf(parent: number): readonly number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(name => {
      try {
        // After the name in parentheses, which may hold anything: the state and the parent.
        const [, state, owner] = /\) (\S) (\d+) [^)]*$/.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? []
        return state !== 'Z' && Number(owner) === parent
      } catch {
        // Gone in between.
        return false
      }
    })
    .map(Number)
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
