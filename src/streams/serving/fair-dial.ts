import { Observable, type Subscriber } from 'rxjs'
import type { ByteSocket, SocketEvent, WriteResult } from '../../ports.js'
import { LighthouseError } from '../../protocol/errors.js'
import { enqueue } from '../../protocol/mux/schedule.js'
import {
  ask,
  createTurns,
  crowded,
  leave,
  release,
  type TurnLimits,
  type Turns,
  type TurnStep,
} from '../../protocol/serving/turns.js'

/**
 * Connections to the data server. Each may hold three file handles, 128 KiB of a file and, in the system's buffers, some 2.5 MB
 * more. A browser opens six to one address, programs that download in parts rarely more than sixteen. The server takes 768
 * connections, so that the rest are there for programs on this machine.
 */
export const folderDials: TurnLimits = { total: 512, perKey: 32 }

/** Connections to a service, which may be kept open for as long as a key likes: as many as one WebRTC connection has streams. */
export const serviceDials: TurnLimits = { total: 1024, perKey: 256 }

/**
 * Streams of one key, those that wait included: as many as two connections have, since a new one may be in use while the old
 * one is being noticed as dead. Each costs some 5 KB.
 */
export const maxStreamsPerKey = 512

/**
 * What a key's streams may have sent that no program has taken. More than the windows of a few uploads which all stall; 512
 * streams that wait for their turn could bring in 128 MiB.
 */
export const maxUnreadBytes = 8 * 1024 * 1024

// One for all: a stack trace for each costs more than the rest of a stream that is opened and reset at once.
const leftEarly = new LighthouseError('stream-reset', 'the stream ended before its turn')
const madeRoom = new LighthouseError('stream-reset', 'the connection was ended for the first one of another peer')
const tooMany = new LighthouseError('too-many-streams', `one peer has ${maxStreamsPerKey} streams open already`)
const tooMuch = new LighthouseError(
  'stream-overrun',
  `streams of one peer had more than ${maxUnreadBytes} bytes waiting for the program behind them`,
)

/** What all dials share. */
interface Shared {
  readonly dial: (key: string) => ByteSocket
  turns: Turns<FairSocket>
  /** Bytes written and not taken, by key. */
  readonly unread: Map<string, number>
  /** Sockets that have a turn, by key: those on which nothing has happened for longest first. */
  readonly running: Map<string, Set<FairSocket>>
}

function advance(shared: Shared, [turns, granted]: TurnStep<FairSocket>): void {
  shared.turns = turns
  for (const socket of granted) socket.start()
  const most = crowded(shared.turns)
  const [longest] = (most !== undefined && shared.running.get(most)) || []
  longest?.fail(madeRoom)
}

/** A class, and by hand: thousands of them wait when somebody attacks, and composed operators took 8 KB for each. */
class FairSocket implements ByteSocket {
  readonly event$: Observable<SocketEvent>
  #socket: ByteSocket | undefined
  #subscriber: Subscriber<SocketEvent> | undefined
  #early: readonly Uint8Array[] = []
  #unreadBytes = 0
  #ending = false
  #paused = false
  #over = false

  constructor(
    private readonly shared: Shared,
    private readonly key: string,
  ) {
    this.event$ = new Observable(subscriber => {
      const { used, waiting } = shared.turns
      if ((used.get(key) ?? 0) + (waiting.get(key)?.length ?? 0) >= maxStreamsPerKey) {
        this.#over = true
        subscriber.error(tooMany)
        return
      }
      this.#subscriber = subscriber
      subscriber.add(() => this.#end())
      advance(shared, ask(shared.turns, key, this))
    })
  }

  /** Its turn has come. */
  start(): void {
    const subscriber = this.#subscriber!
    const socket = this.shared.dial(this.key)
    this.#socket = socket
    this.#note()
    if (this.#paused) socket.pause()
    const subscription = socket.event$.subscribe({
      next: event => {
        this.#note()
        if (event.type === 'consumed') this.#count(-event.bytes)
        subscriber.next(event)
      },
      error: error => subscriber.error(error),
      complete: () => subscriber.complete(),
    })
    subscriber.add(subscription)
    for (const bytes of this.#early) socket.write(bytes)
    this.#early = []
    if (this.#ending) socket.end()
  }

  fail(error: LighthouseError): void {
    this.#subscriber?.error(error)
    this.#socket?.reset()
  }

  write(bytes: Uint8Array): WriteResult {
    if (this.#over) return 'copied'
    this.#count(bytes.length)
    if ((this.shared.unread.get(this.key) ?? 0) > maxUnreadBytes) {
      this.fail(tooMuch)
      return 'copied'
    }
    if (this.#socket !== undefined) return this.#socket.write(bytes)
    // A copy, joined with small neighbours: the other side chooses the size of the pieces.
    this.#early = enqueue(this.#early, new Uint8Array(bytes))
    return 'copied'
  }

  end(): void {
    this.#ending = true
    this.#socket?.end()
  }

  reset(): void {
    if (this.#socket === undefined) this.fail(leftEarly)
    else this.#socket.reset()
  }

  pause(): void {
    this.#paused = true
    this.#socket?.pause()
  }

  resume(): void {
    this.#paused = false
    this.#socket?.resume()
  }

  #end(): void {
    const { shared, key } = this
    this.#over = true
    this.#early = []
    this.#count(-this.#unreadBytes)
    shared.running.get(key)?.delete(this)
    if (shared.running.get(key)?.size === 0) shared.running.delete(key)
    if (this.#socket === undefined) shared.turns = leave(shared.turns, key, this)
    else advance(shared, release(shared.turns, key))
  }

  #count(bytes: number): void {
    const { unread } = this.shared
    this.#unreadBytes += bytes
    const sum = (unread.get(this.key) ?? 0) + bytes
    if (sum === 0) unread.delete(this.key)
    else unread.set(this.key, sum)
  }

  #note(): void {
    const { running } = this.shared
    const sockets = running.get(this.key) ?? new Set()
    sockets.delete(this)
    running.set(this.key, sockets.add(this))
  }
}

/**
 * Dials for the streams of others, by key: a stream waits for its turn, reading nothing, while its key has its share of
 * connections open. What is written meanwhile is kept and written then. A turn lasts until the connection is over; a stream
 * that leaves before is forgotten. When all are in use and a key has none, one of the key that has most is reset: the one on
 * which nothing has happened for longest.
 *
 * A key has at most `maxStreamsPerKey` streams; further ones fail with `too-many-streams`. Holds at most `maxUnreadBytes` for each key, what its programs have not taken included: the stream that passes this is
 * reset, with `stream-overrun`.
 */
export function fairDial(dial: (key: string) => ByteSocket, limits: TurnLimits): (key: string) => ByteSocket {
  const shared: Shared = { dial, turns: createTurns(limits), unread: new Map(), running: new Map() }
  return key => new FairSocket(shared, key)
}
