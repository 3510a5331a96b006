/** What `doctor` looks at. Each probe starts on subscription, emits once and completes in the time that it names; none errors. */
import type { Observable } from 'rxjs'
import type { HubFound } from '../protocol/doctor/hub.js'
import type { EnginesFound, PortHolder, ShareFound } from '../protocol/doctor/machine.js'
import type { Seen, TurnFound } from '../protocol/doctor/nat.js'
import type { PeerFacts } from '../protocol/doctor/probe.js'
import type { IceUrl } from '../protocol/signaling/ice-url.js'

/** The machine and its network, as far as they are looked at. */
export interface DoctorProbes {
  /** One request to the hub, stage by stage. Within 4.5 s. */
  hub$(origin: string): Observable<HubFound>
  /** Asks all of them over UDP, from one socket for each family of addresses. Within 1.5 s. */
  seen$(servers: readonly IceUrl[]): Observable<readonly Seen[]>
  /** Asks for an allocation, and gives it back. Within 3.5 s. */
  allocate$(
    server: IceUrl,
    credentials: { readonly username: string; readonly credential: string },
  ): Observable<TurnFound>
  /** The addresses of this machine, without loopback. */
  addresses(): readonly string[]
  /** Who has each port on loopback. Within 2 s. */
  ports$(ports: readonly number[]): Observable<ReadonlyMap<number, PortHolder>>
  /** Bytes that are free where the folder is, or will be, and why nothing can be written there. Within 2 s. */
  disk$(folder: string): Observable<{ readonly freeBytes: number | undefined; readonly failure: string | undefined }>
  /** How many files this process may have open. */
  handles(): number | undefined
  /** Whether what is shared is there. Within 2 s. */
  share$(share: PeerFacts['share']): Observable<ShareFound>
  /** Which WebRTC implementations load. `name`: the one that was chosen, or undefined for the default. Within 4 s. */
  engines$(name: string | undefined): Observable<EnginesFound>
}
