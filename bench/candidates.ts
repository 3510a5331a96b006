/** Makes a WebRTC connection go through the bench's relay by rewriting what its ends tell each other. */
import { concatMap, EMPTY, from, mergeMap, type Observable, of } from 'rxjs'
import type { RtcEvent, RtcPort, RtcSignal } from '../src/ports.js'
import type { Call } from './rpc.js'

/** foundation component protocol priority address port typ host … */
const candidateLine = /^(candidate:\S+ \d+ )(\S+)( \d+ )(\d+\.\d+\.\d+\.\d+) (\d+) typ host/

/**
 * The signal as the other side may see it: candidates lead to the relay, those that cannot are left out, and
 * descriptions name none.
 */
export async function throughRelay(signal: RtcSignal, call: Call): Promise<RtcSignal | undefined> {
  if (signal.type !== 'candidate') {
    return { ...signal, sdp: signal.sdp.replace(/^a=(candidate:.*|end-of-candidates)\r?\n/gm, '') }
  }
  const match = candidateLine.exec(signal.candidate.replace(/^a=/, ''))
  if (match === null || match[2]!.toLowerCase() !== 'udp') return undefined
  const port = await call<number>('announce', { address: match[4], port: Number(match[5]) })
  const [, head, protocol, priority, address] = match
  return { ...signal, candidate: `${head}${protocol}${priority}${address} ${port} typ host` }
}

/** The same WebRTC implementation, behind the relay. */
export function relayedRtc(rtc: RtcPort, call: Call): RtcPort {
  return {
    name: rtc.name,
    connect$: options =>
      rtc.connect$(options).pipe(
        concatMap((event): Observable<RtcEvent> => {
          if (event.type !== 'signal') return of(event)
          return from(throughRelay(event.signal, call)).pipe(
            mergeMap(signal => (signal === undefined ? EMPTY : of({ ...event, signal }))),
          )
        }),
      ),
  }
}
