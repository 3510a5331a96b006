/**
 * The program of the process in which wrtc runs. It takes commands from its parent and ends with it: whatever ends the
 * parent closes the channel between them. Signals that a terminal sends to both are the parent's to act on.
 */
import wrtc from 'wrtc'
import type { WebRtcImplementation } from './native-connection.js'
import type { RtcCommand } from './rtc-messages.js'
import { createRtcServer } from './rtc-server.js'
import { lingerMs } from './simple-peer.js'
import { withNodeTls } from './turn-tls.node.js'
import { wrtcRtc } from './wrtc-engine.js'
import type { Ready } from './wrtc-process.node.js'

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined)

// What cannot be sent any more is for a parent that is gone.
const rtc = withNodeTls(wrtcRtc(wrtc as WebRtcImplementation))
const server = createRtcServer(rtc, report => process.send?.(report, () => undefined))

process.on('message', (command: RtcCommand) => server.on(command))
process.on('disconnect', () => {
  server.close()
  // Closed connections do not hold the process; what else might does not count.
  setTimeout(() => process.exit(), 2 * lingerMs).unref()
})
process.send!({ type: 'ready' } satisfies Ready)
