import type { ClusterPeer } from '../../support/cluster.node.js'

/** What a peer has received on its only connection once its downloads, of so many bytes and headers, have ended. */
export async function receivedBy(peer: ClusterPeer, bytes: number): Promise<number> {
  // The figures are made once a second.
  const { connections } = await peer.until(
    stats => stats.connections[0]?.streams === 0 && stats.connections[0].receivedBytes >= bytes,
  )
  return connections[0]!.receivedBytes
}
