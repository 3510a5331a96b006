import type { BusSession, HubBus } from '../../ports/bus.js'

/** The bus of a hub that is one process: a table of the sessions, one a key. */
export function memoryBus(): HubBus {
  const sessions = new Map<string, BusSession>()
  return {
    get size() {
      return sessions.size
    },
    state: { isConnected: true, pending: 0, congested: 0, timedOut: 0 },
    async enter(pubKey, session) {
      const older = sessions.get(pubKey)
      sessions.set(pubKey, session)
      older?.replace()
    },
    leave(pubKey, session) {
      if (sessions.get(pubKey) === session) sessions.delete(pubKey)
    },
    async deliver(pubKey, event, body) {
      const session = sessions.get(pubKey)
      if (session === undefined) return 'offline'
      return session.send(event, body) ? 'delivered' : 'congested'
    },
    isSignedIn: async pubKey => sessions.has(pubKey),
    check: async () => undefined,
  }
}
