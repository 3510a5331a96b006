import { Counter, Gauge, Registry } from 'prom-client'
import type { HubMetrics } from '../ports.js'

/** Counts in a registry of its own, so that two hubs in one process do not add up. `signedIn` is asked when somebody scrapes. */
export function prometheusMetrics(signedIn: () => number): HubMetrics {
  const register = new Registry()
  const registers = [register]
  const registrations = new Counter({
    name: 'lighthouse_hub_registrations_total',
    help: 'Requests to register, by outcome.',
    labelNames: ['outcome'],
    registers,
  })
  const logins = new Counter({
    name: 'lighthouse_hub_logins_total',
    help: 'Signaling sessions that were authenticated, refused or replaced by a newer one.',
    labelNames: ['outcome'],
    registers,
  })
  const signals = new Counter({
    name: 'lighthouse_hub_signals_total',
    help: 'Signals received, by what became of them.',
    labelNames: ['outcome'],
    registers,
  })
  const sessions = new Gauge({
    name: 'lighthouse_hub_signed_in_peers',
    help: 'Peers that are signed in now.',
    registers,
    collect() {
      this.set(signedIn())
    },
  })
  register.registerMetric(sessions)
  return {
    registration: outcome => registrations.inc({ outcome }),
    login: outcome => logins.inc({ outcome }),
    signal: outcome => signals.inc({ outcome }),
    text: async () => ({ type: register.contentType, body: await register.metrics() }),
  }
}
