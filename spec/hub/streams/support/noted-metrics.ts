import type { HubMetrics } from '../../../../src/hub/ports/metrics.js'

/** Metrics that tell a spec what was counted, as one word each. */
export function notedMetrics(note: (what: string) => void): HubMetrics {
  return {
    registration: note,
    invites: count => note(`${count} invites`),
    login: note,
    signal: note,
    receipt: outcome => note(`receipt ${outcome}`),
    settlement: () => note('settlement'),
    settlementBatch: ({ receipts }) => note(`batch of ${receipts}`),
    limited: limit => note(`limited ${limit}`),
    storeError: operation => note(`store ${operation}`),
    text: async () => ({ type: '', body: '' }),
  }
}
