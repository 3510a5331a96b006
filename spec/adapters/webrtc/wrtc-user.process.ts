/** Opens a connection over wrtc, says which process runs that, and keeps it open. */
import { loadRtc } from '../../../src/adapters/webrtc/load.node.js'
import { rtcSides } from '../../compliance/support/rtc-sides.js'
import { childrenOf } from '../../support/processes.node.js'

const [a, b] = rtcSides(await loadRtc('wrtc'))
await Promise.all([a.opened, b.opened])
process.send!(childrenOf(process.pid)[0])
