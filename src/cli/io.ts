import type { Observable } from 'rxjs'
import type { RtcName } from '../adapters/webrtc/load.node.js'
import type { createPeer$, portBlock } from '../app.js'
import type { createHub$, createInvites$ } from '../hub/app.js'
import type { CryptoPort, HubClient, RtcPort } from '../ports.js'

/** Where text goes. */
export interface Sink {
  readonly isTTY: boolean
  write(text: string): void
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
}

/** A question for the person at the terminal. */
export interface Question {
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
  /** Emits when the process is asked to end; a second request, when nobody listens any more, ends it at once. */
  readonly interrupt$: Observable<void>
  /** The answer, or undefined when the person gave up. */
  ask(question: Question): Promise<string | undefined>
  openBrowser(url: string): Promise<void>
  readonly parts: Parts
}
