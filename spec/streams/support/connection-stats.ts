import type { CarryStats } from '../../../src/protocol/peer/stats.js'

/** What a connection to bob that carries so many streams says of itself. */
export function connectionStats(session: string, streams = 0): CarryStats {
  return {
    session,
    nickname: 'bob',
    pubKey: 'key',
    role: 'consumer',
    engine: 'node-datachannel',
    tunnelPort: 42_001,
    streams,
    receivedBytes: 0,
    sentBytes: 0,
    receiveRate: 0,
    sendRate: 0,
    bufferedBytes: 0,
    silentSeconds: 0,
    path: 'unknown',
    roundTripMs: undefined,
  }
}
