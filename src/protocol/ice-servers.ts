/** Most ICE servers taken from a hub. */
export const maxIceServers = 4

/** An ICE server as RTCIceServer. */
export interface IceServerShape {
  readonly urls: string | readonly string[]
  readonly username?: string
  readonly credential?: string
}

function isUrl(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 256 && /^(stun|stuns|turn|turns):[^\s/]+$/i.test(value)
}

/** The servers of a hub's list that have the right shape, at most four: a hub must not aim its peers at victims. */
export function parseIceServers(value: unknown): readonly IceServerShape[] {
  if (!Array.isArray(value)) return []
  return value
    .slice(0, 64)
    .flatMap((item: unknown): IceServerShape[] => {
      if (typeof item !== 'object' || item === null) return []
      const { urls, username, credential } = item as Record<string, unknown>
      const list = Array.isArray(urls) ? urls : [urls]
      if (list.length === 0 || list.length > 4 || !list.every(isUrl)) return []
      const named = typeof username === 'string' && typeof credential === 'string'
      return [named ? { urls: list, username, credential } : { urls: list }]
    })
    .slice(0, maxIceServers)
}
