import { getActiveResourcesInfo, memoryUsage } from 'node:process'
import type { PeerStats } from '../../protocol/peer/stats.js'

/** Node's own count of what keeps the process alive, and its memory in bytes. */
export function processFigures(): Pick<PeerStats, 'activeResources' | 'memory'> {
  const { rss, heapUsed, external } = memoryUsage()
  return { activeResources: getActiveResourcesInfo().length, memory: { rss, heapUsed, external } }
}
