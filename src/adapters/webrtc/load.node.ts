import type { RtcPort } from '../../ports.js'
import { LighthouseError, toLighthouseError } from '../../protocol/errors.js'
import { nodeNetwork } from '../machine/network.node.js'
import type { WebRtcImplementation } from './native-connection.js'
import { nodeDatachannelRtc, sctpSettings } from './node-datachannel-engine.js'
import { wrtcProcessRtc } from './wrtc-process.node.js'

export type RtcName = 'node-datachannel' | 'wrtc'

interface Module extends WebRtcImplementation {
  readonly default?: WebRtcImplementation
}

async function loadNodeDatachannel(): Promise<RtcPort> {
  const { setSctpSettings } = await import('node-datachannel')
  const polyfill = (await import('node-datachannel/polyfill')) as unknown as Module
  setSctpSettings(sctpSettings)
  return nodeDatachannelRtc(polyfill.default ?? polyfill, nodeNetwork.addresses)
}

async function loadWrtc(): Promise<RtcPort> {
  const rtc = wrtcProcessRtc()
  await rtc.loaded()
  return rtc
}

/** Loads a WebRTC implementation by its name. Errors with `invalid-option` when it has no binary for this machine. */
export async function loadRtc(name: RtcName): Promise<RtcPort> {
  try {
    return await (name === 'wrtc' ? loadWrtc() : loadNodeDatachannel())
  } catch (cause) {
    const message = `the WebRTC implementation ${name} cannot be loaded: its package for this platform is missing. Install again, or choose the other one`
    throw new LighthouseError('invalid-option', message, { field: 'engine' }, { cause })
  }
}

/** What a peer that was given no implementation uses. */
export interface Engines {
  readonly rtc: RtcPort
  /** For connections that only a relay over TCP or TLS can carry, where `rtc` cannot. */
  readonly overTcp?: RtcPort
  /** Why `rtc` is not node-datachannel. */
  readonly missing?: LighthouseError
}

/** node-datachannel with wrtc beside it, or, where that has no binary, wrtc. Errors like `loadRtc` where neither has one. */
export async function loadEngines(load: (name: RtcName) => Promise<RtcPort> = loadRtc): Promise<Engines> {
  try {
    return { rtc: await load('node-datachannel'), overTcp: wrtcProcessRtc() }
  } catch (error) {
    return { rtc: await load('wrtc'), missing: toLighthouseError('invalid-option', error) }
  }
}
