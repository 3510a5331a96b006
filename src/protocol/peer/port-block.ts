/** First port of a peer's block, by default. */
export const defaultPortBase = 42_000

/** The loopback ports of a peer. 0 lets the system choose. */
export interface PeerPorts {
  readonly proxy: number
  readonly tunnels: readonly number[]
  readonly data: number
}

/**
 * The block that begins at `base`: proxy, ten tunnels, data server. 0 lets the system choose all twelve.
 *
 * @example
 * import { portBlock } from 'lighthouse-peer'
 *
 * const { proxy, tunnels, data } = portBlock(43_000)
 * console.log(proxy, tunnels[0], tunnels[9], data)
 * // → 43000 43001 43010 43011
 */
export function portBlock(base: number): PeerPorts {
  const at = (offset: number): number => (base === 0 ? 0 : base + offset)
  return { proxy: at(0), tunnels: Array.from({ length: 10 }, (_, index) => at(1 + index)), data: at(11) }
}
