import type { Observable } from 'rxjs'
import type { RtcName } from '../adapters/webrtc/load.node.js'
import type { DoctorParts } from './doctor/doctor-parts.js'
import type { createPeer$, portBlock } from '../index.js'
import type { createHub$, createInvites$ } from '../hub/app.js'
import type { CryptoPort, HubClient, RtcPort } from '../ports.js'

/** Where text goes: stdout or stderr. */
export interface Sink {
  readonly isTTY: boolean
  /**
   * Never throws, and waits for nobody: what cannot be written is lost, and so is what comes while a megabyte waits for a
   * reader. Losing a terminal or a pipe is no reason for a daemon to end.
   */
  write(text: string): void
  /** Resolves when the system has all of it; rejects with `output-closed` when the reader is gone, else with `store-failed`. */
  writeAll(bytes: Uint8Array | string): Promise<void>
  /** Resolves once nothing waits any more, with the first failure if there was one. */
  flush(): Promise<Error | undefined>
}

/** What `--engine` takes: a WebRTC implementation, or the choice of one. */
export const engineNames = ['auto', 'node-datachannel', 'wrtc'] as const satisfies readonly ('auto' | RtcName)[]
export type EngineName = (typeof engineNames)[number]

/** What the commands are made of. Loaded when needed, so that `status` does not wait for WebRTC. */
export interface Parts {
  readonly crypto: CryptoPort
  hubClient(hub: URL): HubClient
  peer(): Promise<{ readonly createPeer$: typeof createPeer$; readonly portBlock: typeof portBlock }>
  hub(): Promise<{ readonly createHub$: typeof createHub$; readonly createInvites$: typeof createInvites$ }>
  loadRtc(name: RtcName): Promise<RtcPort>
  doctor(): Promise<DoctorParts>
}

/** A question for the person at the terminal. */
export interface Prompt {
  readonly message: string
  readonly placeholder: string
  /** What is wrong with an answer, in words; undefined when it will do. */
  readonly complain: (answer: string) => string | undefined
}

/** The process as a command sees it; specs give their own. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly pid: number
  readonly stdout: Sink
  readonly stderr: Sink
  /** Somebody can be asked: stdin and stderr are terminals. */
  readonly interactive: boolean
  /** Emits when the process is asked to end. A second Ctrl-C, when nobody listens any more, ends it at once. */
  readonly interrupt$: Observable<void>
  /** The answer, or undefined when the person gave up. */
  ask(prompt: Prompt): Promise<string | undefined>
  openBrowser(url: string): Promise<void>
  readonly parts: Parts
}
