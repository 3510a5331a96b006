import { isLighthouseError, type LighthouseError } from '../../protocol/errors.js'
import type { Tunnel, TunnelReport } from '../../protocol/tunnels/tunnels.js'

/** Why tunnels are over, for those whose requests broke with them. */
export interface TunnelEnds {
  note(report: TunnelReport): void
  /** Why this tunnel, as it was announced, is over; undefined while it is not. */
  of(tunnel: Tunnel): LighthouseError | undefined
}

/**
 * Keeps the reason with the tunnel itself: an attempt that fails ends none, nor does a replacement that was not needed, and what has
 * become of the next one does not change why the last one ended. Kept as long as somebody has the tunnel.
 *
 * @param unpayable why nothing can be paid for now: a connection that the other side closed is over for that reason then, also
 *   where nothing had been received on it.
 */
export function createTunnelEnds(unpayable: () => LighthouseError | undefined): TunnelEnds {
  const ends = new WeakMap<Tunnel, LighthouseError>()
  return {
    note(report) {
      if (report.type === 'ended' && report.tunnel !== undefined) ends.set(report.tunnel, report.reason)
    },
    of(tunnel) {
      const reason = ends.get(tunnel)
      if (!isLighthouseError(reason, 'channel-closed')) return reason
      try {
        return unpayable() ?? reason
      } catch {
        // The store cannot be read, which is reported elsewhere; the reason is still right.
        return reason
      }
    },
  }
}
