import { filter, firstValueFrom, map, race, take, timer } from 'rxjs'
import { askPeer } from '../control.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { isAlive } from '../running.js'
import type { Context } from './context.js'

/** How long a peer may take to stop; it takes milliseconds unless the machine is busy. */
const stopLimitMs = 15_000

/** The operating system does not notify us when another process ends, so it has to be polled. */
const pollMs = 50

/** True once there is no such process, false when the time is over. */
async function isGone(pid: number): Promise<boolean> {
  if (!isAlive(pid)) return true
  const gone$ = timer(pollMs, pollMs).pipe(
    filter(() => !isAlive(pid)),
    map(() => true),
    take(1),
  )
  return firstValueFrom(race(gone$, timer(stopLimitMs).pipe(map(() => false))))
}

/** `stop`: asks the running peer to end and waits until its process is gone. */
export async function stopCommand(context: Context): Promise<ExitCode> {
  const { output, home } = context
  const { pid } = (await askPeer(home, 'POST', '/control/stop', () => undefined)).run
  if (!(await isGone(pid))) {
    return output.fail({
      code: 'still-running',
      message: `the peer did not stop within ${stopLimitMs / 1000} s, and process ${pid} is still running. End it yourself`,
    })
  }
  output.result({ stopped: { pid } }, `Stopped (process ${pid}).`)
  return exitCodes.done
}
