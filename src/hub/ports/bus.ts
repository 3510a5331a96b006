/** What the hub sends to a signed-in peer on behalf of others. */
export type BusEvent = 'signal' | 'settled'

/** What became of a message for a key: `congested` when its reader, or the way to it, holds too much already. */
export type Delivery = 'delivered' | 'offline' | 'congested'

/** A signed-in socket as the bus sees it. */
export interface BusSession {
  /** False when too much is waiting for the reader; then nothing is sent. */
  send(event: BusEvent, body: object): boolean
  /** A newer session of the same key has taken over: says so and ends the socket. Called at most once. */
  replace(): void
}

/** How the way to the other processes is. The last two count from the start. */
export interface BusState {
  readonly isConnected: boolean
  /** Questions to other processes that wait for an answer. */
  readonly pending: number
  /** Not asked, since too much was waiting. */
  readonly congested: number
  /** Not answered in time. */
  readonly timedOut: number
}

/**
 * Who is signed in, on whichever process of the hub, and the way to each. Where another process cannot be reached its
 * peers count as offline. No call rejects but `check`.
 */
export interface HubBus {
  /** Sessions on this process. */
  readonly size: number
  readonly state: BusState
  /**
   * Makes this the one live session of the key on all processes; older ones are told `replace`. Resolves when every
   * process that can be reached goes by it.
   */
  enter(pubKey: string, session: BusSession): Promise<void>
  /** Forgets the session; harmless when a newer one has replaced it. */
  leave(pubKey: string, session: BusSession): void
  /** In the order of the calls. Resolves within two seconds, with `offline` when no answer came by then. */
  deliver(pubKey: string, event: BusEvent, body: object): Promise<Delivery>
  /** Whether a process holds a session of the key now. */
  isSignedIn(pubKey: string): Promise<boolean>
  /** Resolves when the other processes can be reached now; rejects with `store-failed`. */
  check(): Promise<void>
}
