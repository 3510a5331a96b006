import { catchError, defer, from, of, timeout } from 'rxjs'
import type { DoctorProbes } from '../../ports/doctor.js'
import type { EnginesFound } from '../../protocol/doctor/machine.js'
import { nodeNetwork } from '../machine/network.node.js'
import { loadEngines, loadRtc, type RtcName } from '../webrtc/load.node.js'
import { hubProbe$ } from './hub-probe.node.js'
import { diskProbe$, handlesProbe, portsProbe$, shareProbe$ } from './machine-probe.node.js'
import { stunProbe$ } from './stun-probe.node.js'
import { turnProbe$ } from './turn-probe.node.js'

/** Another process has to start for wrtc. */
const engineLimitMs = 4_000

async function enginesFound(name: RtcName | undefined): Promise<EnginesFound> {
  if (name !== undefined) return { used: (await loadRtc(name)).name, missing: undefined, failure: undefined }
  const { rtc, missing } = await loadEngines()
  return { used: rtc.name, missing: missing?.message, failure: undefined }
}

/** This machine. */
export const nodeProbes: DoctorProbes = {
  hub$: hubProbe$,
  seen$: stunProbe$,
  allocate$: turnProbe$,
  addresses: nodeNetwork.addresses,
  ports$: portsProbe$,
  disk$: diskProbe$,
  handles: handlesProbe,
  share$: shareProbe$,
  engines$: name =>
    defer(() => from(enginesFound(name as RtcName | undefined))).pipe(
      timeout({ first: engineLimitMs }),
      catchError((error: Error) => of({ used: undefined, missing: undefined, failure: error.message })),
    ),
}
