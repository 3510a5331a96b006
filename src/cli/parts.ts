import { nodeCrypto } from '../adapters/crypto/crypto.node.js'
import { fetchHubClient } from '../adapters/hub/http-client.js'
import type { Parts } from './io.js'

/** The real parts. Each is imported when a command asks for it. */
export const realParts: Parts = {
  crypto: nodeCrypto,
  hubClient: hub => fetchHubClient(hub),
  peer: () => import('../index.js'),
  hub: () => import('../hub/app.js'),
  async loadRtc(name) {
    return (await import('../adapters/webrtc/load.node.js')).loadRtc(name)
  },
  async doctor() {
    return (await import('./doctor/doctor-parts.js')).realDoctorParts
  },
}
