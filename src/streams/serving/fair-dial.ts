import { defer, EMPTY, finalize, merge, mergeMap, type Observable, Subject, take, takeUntil, tap } from 'rxjs'
import type { ByteSocket, SocketEvent } from '../../ports.js'
import { LighthouseError } from '../../protocol/errors.js'
import { enqueue } from '../../protocol/mux-receive.js'
import {
  ask,
  createTurns,
  crowded,
  leave,
  release,
  type TurnLimits,
  type TurnStep,
} from '../../protocol/serving/turns.js'

/**
 * Connections to the data server. Each may hold three file handles, 128 KiB of a file and what the system has of it; the
 * server takes 768, so that the rest are there for programs on this machine.
 */
export const folderDials: TurnLimits = { total: 512, perKey: 64 }

/** Connections to a service, which may be kept open for as long as a key likes: as many as one WebRTC connection has streams. */
export const serviceDials: TurnLimits = { total: 1024, perKey: 256 }

/**
 * What a key's streams may have sent that no program has taken. More than the windows of a few uploads which all stall; a
 * key that opens 2,048 streams and has no turn for them could bring in 512 MiB.
 */
export const maxUnreadBytes = 8 * 1024 * 1024

/**
 * Dials for the streams of others, by key: a stream waits for its turn, reading nothing, while its key has its share of
 * connections open. What is written meanwhile is kept and written then. A turn lasts until the connection is over; a stream
 * that leaves before is forgotten.
 *
 * When all are in use and a key has none, one of the key that has most is reset: the one in which nothing has happened for
 * longest.
 *
 * Holds at most `maxUnreadBytes` for each key, what its programs have not taken included: the stream that passes this is
 * reset, with `stream-overrun`.
 */
export function fairDial(dial: (key: string) => ByteSocket, limits: TurnLimits): (key: string) => ByteSocket {
  let turns = createTurns<Subject<void>>(limits)
  const unread = new Map<string, number>()
  /** How to end each stream that has a turn, by key: those in which nothing has happened for longest first. */
  const running = new Map<string, Set<() => void>>()

  const step = ([next, granted]: TurnStep<Subject<void>>): void => {
    turns = next
    for (const turn$ of granted) turn$.next()
    const [longest] = running.get(crowded(turns) ?? '') ?? []
    longest?.()
  }
  const note = (key: string, end: () => void): void => {
    const ends = running.get(key) ?? new Set()
    ends.delete(end)
    running.set(key, ends.add(end))
  }
  const forget = (key: string, end: () => void): void => {
    running.get(key)?.delete(end)
    if (running.get(key)?.size === 0) running.delete(key)
  }
  const addUnread = (key: string, bytes: number): void => {
    const sum = (unread.get(key) ?? 0) + bytes
    if (sum === 0) unread.delete(key)
    else unread.set(key, sum)
  }

  return key => {
    const failed$ = new Subject<never>()
    let socket: ByteSocket | undefined
    let early: readonly Uint8Array[] = []
    let ownUnread = 0
    let finishing = false
    let held = false
    let over = false

    const count = (bytes: number): void => {
      ownUnread += bytes
      addUnread(key, bytes)
    }
    const fail = (error: LighthouseError): void => {
      failed$.error(error)
      socket?.abort()
    }
    const giveUp = (): void =>
      fail(new LighthouseError('stream-reset', 'this connection made room for the first one of another peer'))
    const connected$ = (): Observable<SocketEvent> => {
      const dialled = dial(key)
      socket = dialled
      note(key, giveUp)
      if (held) dialled.hold(true)
      const catchUp$ = defer(() => {
        for (const bytes of early) dialled.write(bytes)
        early = []
        if (finishing) dialled.finish()
        return EMPTY
      })
      return merge(dialled.event$, catchUp$)
    }
    const event$ = defer(() => {
      const turn$ = new Subject<void>()
      const turnOver = (): void => {
        if (socket === undefined) turns = leave(turns, key, turn$)
        else step(release(turns, key))
      }
      const ask$ = defer(() => {
        step(ask(turns, key, turn$))
        return EMPTY
      })
      return merge(turn$.pipe(take(1), mergeMap(connected$)), ask$).pipe(
        tap(event => {
          note(key, giveUp)
          if (event.type === 'taken') count(-event.bytes)
        }),
        takeUntil(failed$),
        finalize(() => {
          over = true
          count(-ownUnread)
          early = []
          forget(key, giveUp)
          turnOver()
        }),
      )
    })
    return {
      event$,
      write(bytes) {
        if (over) return false
        count(bytes.length)
        if ((unread.get(key) ?? 0) > maxUnreadBytes) {
          const message = `streams of one peer had more than ${maxUnreadBytes} bytes waiting for the program behind them`
          fail(new LighthouseError('stream-overrun', message))
          return false
        }
        if (socket !== undefined) return socket.write(bytes)
        // A copy, joined with small neighbours: the other side chooses the size of the pieces.
        early = enqueue(early, Uint8Array.from(bytes))
        return false
      },
      finish() {
        finishing = true
        socket?.finish()
      },
      abort() {
        if (socket === undefined) fail(new LighthouseError('stream-reset', 'the stream ended before its turn'))
        else socket.abort()
      },
      hold(on) {
        held = on
        socket?.hold(on)
      },
    }
  }
}
