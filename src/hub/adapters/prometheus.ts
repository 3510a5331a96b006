import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { HubMetrics } from '../ports.js'

/** What is asked whenever somebody scrapes. */
export interface HubGauges {
  /** Peers signed in on this process. */
  readonly signedIn: () => number
  /** Connections to the signaling server, signed in or not. */
  readonly sockets: () => number
  /** Receipts that wait or are being settled. */
  readonly pendingReceipts: () => number
}

/** From one receipt alone to a full batch. */
const batchBuckets = [1, 2, 5, 10, 20, 50, 100, 200, 500]

/** From the sync of a fast disk to the limit after which a batch is given up. */
const secondsBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]

/** Counts in a registry of its own, so that two hubs in one process do not add up. */
export function prometheusMetrics({ signedIn, sockets, pendingReceipts }: HubGauges): HubMetrics {
  const register = new Registry()
  const registers = [register]
  const counter = <Label extends string>(name: string, help: string, label: Label): Counter<Label> =>
    new Counter({ name: `lighthouse_hub_${name}`, help, labelNames: [label], registers })
  const histogram = (name: string, help: string, buckets: number[]): Histogram =>
    new Histogram({ name: `lighthouse_hub_${name}`, help, buckets, registers })
  const gauge = (name: string, help: string, ask: () => number): void => {
    const made = new Gauge({
      name: `lighthouse_hub_${name}`,
      help,
      registers,
      collect() {
        this.set(ask())
      },
    })
    register.registerMetric(made)
  }
  const registrations = counter('registrations_total', 'Requests to register, by outcome.', 'outcome')
  const logins = counter(
    'logins_total',
    'Signaling sessions that were authenticated, refused or replaced by a newer one.',
    'outcome',
  )
  const signals = counter('signals_total', 'Signals received, by what became of them.', 'outcome')
  const receipts = counter('receipts_total', 'Receipts received, by what became of them.', 'outcome')
  const limited = counter('limited_total', 'What a limit on an address or a key has refused, by limit.', 'limit')
  const storeErrors = counter('store_errors_total', 'Calls of the database that failed, by call.', 'operation')
  const settlements = new Counter({
    name: 'lighthouse_hub_settlements_total',
    help: 'Times that coins moved from a consumer to a seeder.',
    registers,
  })
  const batchReceipts = histogram(
    'settlement_batch_receipts',
    'Sessions that were settled in one transaction.',
    batchBuckets,
  )
  const batchSeconds = histogram('settlement_batch_seconds', 'How long one transaction took.', secondsBuckets)
  gauge('signed_in_peers', 'Peers that are signed in now.', signedIn)
  gauge('sockets', 'Connections to the signaling server, signed in or not.', sockets)
  gauge('pending_receipts', 'Receipts that wait or are being settled.', pendingReceipts)
  return {
    registration: outcome => registrations.inc({ outcome }),
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
