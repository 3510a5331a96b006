import { nodeProbes } from '../../adapters/doctor/probes.node.js'
import { socketIoTransport } from '../../adapters/hub/socket-io.client.js'
import type { DoctorProbes } from '../../ports/doctor.js'
import type { SignalTransport } from '../../ports.js'

/** What the doctor looks with. */
export interface DoctorParts {
  readonly probes: DoctorProbes
  /** Signs in only where no peer with the key is signed in. */
  transport(hub: URL): SignalTransport
}

/** The real ones. */
export const realDoctorParts: DoctorParts = {
  probes: nodeProbes,
  transport: hub => socketIoTransport(hub, { ifFree: true }),
}
