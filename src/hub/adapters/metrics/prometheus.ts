import { memoryUsage } from 'node:process'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { BusState } from '../../ports/bus.js'
import type { HubMetrics } from '../../ports/metrics.js'

/** What is asked whenever somebody scrapes. */
export interface HubGauges {
  /** Peers signed in on this process. */
  readonly signedIn: () => number
  /** Connections to the signaling server, signed in or not. */
  readonly sockets: () => number
  /** Receipts that wait or are being settled, and how many may. */
  readonly pendingReceipts: () => number
  readonly maxPendingReceipts: number
  /** Downloads of the ledger that are under way. */
  readonly downloads: () => number
  /** Invites that nobody has used. */
  readonly openInvites: () => Promise<number>
  readonly bus: () => BusState
  /** The longest pause of the event loop since this was asked last. */
  readonly lagSeconds: () => number
}

/** From one receipt alone to a full batch. */
const batchBuckets = [1, 2, 5, 10, 20, 50, 100, 200, 500]

/** From the sync of a fast disk to the limit after which a batch is given up. */
const secondsBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]

/** Counts in a registry of its own, so that two hubs in one process do not add up. */
export function prometheusMetrics(gauges: HubGauges): HubMetrics {
  const register = new Registry()
  const named = (name: string, help: string): { name: string; help: string; registers: Registry[] } => ({
    name: `lighthouse_hub_${name}`,
    help,
    registers: [register],
  })
  const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]): Counter<Label> =>
    new Counter({ ...named(name, help), labelNames })
  const histogram = (name: string, help: string, buckets: number[]): Histogram =>
    new Histogram({ ...named(name, help), buckets })
  const gauge = (name: string, help: string, ask: () => number | Promise<number>): Gauge =>
    new Gauge({
      ...named(name, help),
      async collect() {
        try {
          this.set(await ask())
        } catch {
          // The database says nothing now, and the other figures are needed all the more.
          this.set(NaN)
        }
      },
    })
  /** What is counted elsewhere. */
  const total = (name: string, help: string, ask: () => number): Counter =>
    new Counter({
      ...named(name, help),
      collect() {
        this.reset()
        this.inc(ask())
      },
    })
  const registrations = counter('registrations_total', 'Requests to register, by outcome.', 'outcome')
  const logins = counter(
    'logins_total',
    'Signaling sessions authenticated, refused or replaced by a newer one.',
    'outcome',
  )
  const signals = counter('signals_total', 'Signals received, by what became of them.', 'outcome')
  const receipts = counter('receipts_total', 'Receipts received, by what became of them.', 'outcome')
  const limited = counter('limited_total', 'What a limit on an address or a key has refused, by limit.', 'limit')
  const storeErrors = counter('store_errors_total', 'Calls of the database that failed, by call.', 'operation')
  const settlements = counter('settlements_total', 'Times that coins moved from a consumer to a seeder.')
  const batchReceipts = histogram(
    'settlement_batch_receipts',
    'Receipts that were judged in one transaction.',
    batchBuckets,
  )
  const batchSeconds = histogram('settlement_batch_seconds', 'How long one transaction took.', secondsBuckets)
  const invites = counter('invites_made_total', 'Invites that were made.')
  gauge('signed_in_peers', 'Peers that are signed in now.', gauges.signedIn)
  gauge('sockets', 'Connections to the signaling server, signed in or not.', gauges.sockets)
  gauge('pending_receipts', 'Receipts that wait or are being settled.', gauges.pendingReceipts)
  gauge('pending_receipts_limit', 'How many receipts may wait; more are refused.', () => gauges.maxPendingReceipts)
  gauge('ledger_downloads', 'Downloads of the ledger that are under way.', gauges.downloads)
  gauge('open_invites', 'Invites that nobody has used.', gauges.openInvites)
  const { bus } = gauges
  gauge('bus_connected', '1 while other processes can be reached, or there are none.', () => Number(bus().isConnected))
  gauge('bus_pending_questions', 'Questions to other processes that wait for an answer.', () => bus().pending)
  total('bus_congested_total', 'Questions not asked, since too much was waiting for the bus.', () => bus().congested)
  total('bus_timeouts_total', 'Questions that no other process answered in time.', () => bus().timedOut)
  gauge('resident_memory_bytes', 'Memory of this process.', () => memoryUsage.rss())
  gauge('event_loop_lag_seconds', 'The longest pause of this process since the last scrape.', gauges.lagSeconds)
  return {
    registration: outcome => registrations.inc({ outcome }),
    invites: count => invites.inc(count),
    login: outcome => logins.inc({ outcome }),
    signal: outcome => signals.inc({ outcome }),
    receipt: outcome => receipts.inc({ outcome }),
    settlement: () => settlements.inc(),
    settlementBatch: figures => {
      batchReceipts.observe(figures.receipts)
      batchSeconds.observe(figures.seconds)
    },
    limited: limit => limited.inc({ limit }),
    storeError: operation => storeErrors.inc({ operation }),
    text: async () => ({ type: register.contentType, body: await register.metrics() }),
  }
}
