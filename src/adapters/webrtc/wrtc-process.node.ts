import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import {
  defer,
  dematerialize,
  finalize,
  firstValueFrom,
  materialize,
  Observable,
  ReplaySubject,
  share,
  switchMap,
} from 'rxjs'
import type { RtcPort } from '../../ports.js'
import { LighthouseError } from '../../protocol/errors.js'
import { createRtcClient } from './rtc-client.js'
import type { RtcReport } from './rtc-messages.js'

const program = fileURLToPath(new URL('./wrtc-main.node.js', import.meta.url))

/** How long the process is kept without a connection: it takes a third of a second to start. */
const defaultIdleMs = 10_000

/** How long it may take to end: the last words of its connections take 300 ms. */
const endLimitMs = 2_000

/** Its first message. */
export interface Ready {
  readonly type: 'ready'
}

interface Running {
  readonly connect$: RtcPort['connect$']
  /** Emits once wrtc is loaded there. */
  readonly ready$: Observable<void>
}

/** Like `timer`, but keeps no process alive. */
function quietTimer(ms: number): Observable<void> {
  return new Observable(subscriber => {
    const timer = setTimeout(() => subscriber.next(), ms).unref()
    return () => clearTimeout(timer)
  })
}

/** The process that runs wrtc, while subscribed; errors when it ends. It keeps this process alive while it is in use. */
function running$(): Observable<Running> {
  return new Observable(subscriber => {
    const child: ChildProcess = fork(program, {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    const keepAlive = (on: boolean): void => {
      for (const handle of [child, child.channel]) handle?.[on ? 'ref' : 'unref']()
    }
    // Sending may fail: its end is reported below.
    const client = createRtcClient(command => child.connected && child.send(command, () => undefined))
    let uses = 0
    const inUse = <T>(source: Observable<T>): Observable<T> =>
      defer(() => {
        if (uses++ === 0) keepAlive(true)
        return source.pipe(
          finalize(() => {
            if (--uses === 0) keepAlive(false)
          }),
        )
      })
    const ready$ = new ReplaySubject<void>(1)
    const fail = (how: string): void =>
      subscriber.error(
        new LighthouseError('webrtc-failed', `the process that runs wrtc ended (${how}), and its connections with it`),
      )
    child.on('error', error => fail(error.message))
    child.on('exit', (code, signal) => fail(signal ?? `exit code ${code}`))
    child.on('message', (report: RtcReport | Ready) => {
      if (report.type === 'ready') ready$.next()
      else client.on(report)
    })
    keepAlive(false)
    // Commands wait in the channel until they are read.
    subscriber.next({ connect$: options => inUse(client.connect$(options)), ready$: inUse(ready$) })
    return () => {
      keepAlive(false)
      if (child.connected) child.disconnect()
      setTimeout(() => child.kill('SIGKILL'), endLimitMs).unref()
    }
  })
}

/**
 * wrtc in a process of its own: a crash in its native code costs the connections there, which fail with `webrtc-failed`,
 * and nothing else. One process holds all connections; it is started for the first one and again after a crash, and ends 10 s
 * after the last one, or when this process does, however that ends.
 */
export function wrtcProcessRtc({ idleMs = defaultIdleMs } = {}): RtcPort & {
  /** Rejects when wrtc cannot be loaded. */
  loaded(): Promise<void>
} {
  const shared$ = running$().pipe(
    share({
      connector: () => new ReplaySubject(1),
      resetOnRefCountZero: () => quietTimer(idleMs),
    }),
  )
  return {
    name: 'wrtc',
    // A connection ends by itself or with the process, which does not end with it.
    connect$: options =>
      shared$.pipe(
        switchMap(({ connect$ }) => connect$(options).pipe(materialize())),
        dematerialize(),
      ),
    loaded: () => firstValueFrom(shared$.pipe(switchMap(({ ready$ }) => ready$))),
  }
}
