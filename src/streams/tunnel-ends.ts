import { setBounded } from '../protocol/bounded-map.js'
import { isLighthouseError, type LighthouseError } from '../protocol/errors.js'
import type { TunnelReport } from './tunnels.js'

/** Whoever waited for an answer asks within moments; more nicknames than that have no tunnels that end at a time. */
const maxEnds = 100

/** Why tunnels are over, for those whose requests broke with them. */
export interface TunnelEnds {
  note(report: TunnelReport): void
  /** Why the last tunnel to that peer is over; undefined while there is one, and when there was none lately. */
  of(nickname: string): LighthouseError | undefined
}

/**
 * @param unpayable why nothing can be paid for now: a connection that the other side closed is over for that reason then, also
 *   where nothing had been received on it.
 */
export function createTunnelEnds(unpayable: () => LighthouseError | undefined): TunnelEnds {
  const ends = new Map<string, LighthouseError>()
  return {
    note(report) {
      if (report.type === 'tunnel') ends.delete(report.tunnel.nickname)
      if (report.type === 'ended') setBounded(ends, report.nickname, report.reason, maxEnds)
    },
    of(nickname) {
      const reason = ends.get(nickname)
      if (!isLighthouseError(reason, 'channel-closed')) return reason
      try {
        return unpayable() ?? reason
      } catch {
        // The book cannot be read, which others say; the reason is true all the same.
        return reason
      }
    },
  }
}
