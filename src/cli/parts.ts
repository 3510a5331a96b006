import { nodeCrypto } from '../adapters/crypto.node.js'
import { fetchHubClient } from '../adapters/hub-http.js'
import type { Parts } from './io.js'

/** The real parts. Each is imported when a command asks for it. */
export const realParts: Parts = {
  crypto: nodeCrypto,
  hubClient: hub => fetchHubClient(hub),
  async createPeer() {
    return (await import('../app.js')).createPeer$
  },
  async createHub() {
    return (await import('../hub/app.js')).createHub$
  },
  async loadRtc(name) {
    return (await import('../adapters/simple-peer.node.js')).loadRtc(name)
  },
}
