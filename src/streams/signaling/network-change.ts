import { defer, delay, filter, interval, map, merge, type Observable, scan, type SchedulerLike, share } from 'rxjs'
import type { NetworkPort, SignalTransport } from '../../ports.js'
import { LighthouseError } from '../../protocol/errors.js'

/** How often this machine's addresses and the time are looked at. A look takes a tenth of a millisecond. */
const lookMs = 1_000

/** A look that comes so much later than it should means that the machine, or this process, stood still. */
const standstillMs = 4_000

/**
 * What has changed: there is another address beside those of before, one is gone (and so is every connection from there), or time
 * has passed in which this process did not run.
 */
export type NetworkChange = 'gained' | 'lost' | 'woken'

interface Look {
  readonly addresses: readonly string[]
  /** By the wall clock: the monotonic one stands still while the machine sleeps. */
  readonly atMs: number
  readonly change: NetworkChange | undefined
}

function changeBetween(before: Look, addresses: readonly string[], atMs: number): NetworkChange | undefined {
  if (before.addresses.some(address => !addresses.includes(address))) return 'lost'
  if (atMs - before.atMs > lookMs + standstillMs) return 'woken'
  return addresses.some(address => !before.addresses.includes(address)) ? 'gained' : undefined
}

/**
 * What this machine's network does, seen by looking at it.
 *
 *     every second     1---2---3---------4    addresses, and the time
 *     networkChange$   ----g---l---------w    gained, lost, woken
 *
 * A wall clock that is set forward counts as a sleep. Never completes; buffers nothing.
 */
export function networkChange$(
  { addresses }: Pick<NetworkPort, 'addresses'>,
  scheduler: SchedulerLike,
): Observable<NetworkChange> {
  return defer(() => {
    const first: Look = { addresses: addresses(), atMs: scheduler.now(), change: undefined }
    return interval(lookMs, scheduler).pipe(
      scan((before): Look => {
        const now = { addresses: addresses(), atMs: scheduler.now() }
        return { ...now, change: changeBetween(before, now.addresses, now.atMs) }
      }, first),
      map(({ change }) => change),
      filter(change => change !== undefined),
    )
  })
}

export interface WatchedNetwork {
  /** What it does, hot. The hub connections that it ends have ended by then. */
  readonly networkChange$: Observable<NetworkChange>
  /** Its connections end when an address of this machine is gone: TCP would wait for what cannot come any more. */
  readonly transport: SignalTransport
}

/** Watches the network of this machine while somebody has subscribed to what is made of it. */
export function watchNetwork(options: {
  readonly network: Pick<NetworkPort, 'addresses'>
  readonly transport: SignalTransport
  readonly scheduler: SchedulerLike
}): WatchedNetwork {
  const { network, transport, scheduler } = options
  const change$ = networkChange$(network, scheduler).pipe(share())
  const lost$ = change$.pipe(
    filter(change => change === 'lost'),
    map((): never => {
      throw new LighthouseError('hub-unreachable', 'this machine has moved to another network; the hub is tried again')
    }),
  )
  return {
    networkChange$: change$.pipe(delay(0, scheduler)),
    transport: { connect$: pubKey => merge(transport.connect$(pubKey), lost$) },
  }
}
