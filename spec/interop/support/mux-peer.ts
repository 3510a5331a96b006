/** Our side of a session over a TCP connection: the real deframer and multiplexer, with test code where sockets would be. */
import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { fromEvent, map, merge, Subject, takeUntil, tap } from 'rxjs'
import { deframeBatch, multiplex } from '../../../src/operators/index.js'
import { LighthouseError, toLighthouseError } from '../../../src/protocol/errors.js'
import { streamIds } from '../../../src/protocol/mux/step.js'
import type { MuxConfig, MuxEffect, MuxEvent, MuxState } from '../../../src/protocol/mux/state.js'
import { encodeFrames, type Frame } from '../../../src/protocol/mux/frame.js'
import { patternSource } from './pattern.js'

/** How a stream ended. */
export type StreamEnd =
  | { readonly type: 'finished'; readonly bytes: number; readonly sha256: string }
  | { readonly type: 'aborted'; readonly error: LighthouseError }

export interface PeerStream {
  readonly id: number
  /** The other side's FIN, or the stream's failure. Never rejects. */
  readonly ended: Promise<StreamEnd>
  /** The stream's failure, also one that comes after the other side's FIN. */
  readonly gone: Promise<LighthouseError>
  write(bytes: Uint8Array): void
  /** Writes that much of the pattern as a socket would: 64 KiB at a time, and none while held. */
  send(size: number, seed: number): Promise<{ readonly bytes: number; readonly sha256: string }>
  end(): void
  /** While paused, nothing that is delivered counts as taken. */
  pause(): void
  resume(): void
}

export interface MuxPeer {
  open(): PeerStream
  /** The next stream that the other side opened. */
  accept(): Promise<PeerStream>
  /** Answers every stream that the other side opens with what it says. */
  echo(): void
  /** The stream of this ID that the other side opened, once it has been accepted. */
  stream(id: number): PeerStream | undefined
  /** A second has passed; with `heard`, one in which something arrived. */
  tick(heard?: boolean): void
  state(): MuxState
  /** Most bytes delivered and not taken by a stream, and most queued by one, so far. */
  peaks(): { readonly untaken: number; readonly queued: number }
  /** Frames that have arrived, by command. */
  heard(): Readonly<Record<Frame['command'], number>>
  /** Resolves after the first event after which the condition holds. */
  until(condition: () => boolean): Promise<void>
  /** What ended the connection: the multiplexer's failure, or `channel-closed`. Never rejects. */
  readonly over: Promise<LighthouseError>
  destroy(): void
}

interface Local extends PeerStream {
  readonly deliver: (bytes: Uint8Array) => void
  readonly finish: (end: StreamEnd) => void
  readonly hold: (on: boolean) => void
  sink?: (bytes: Uint8Array | undefined) => void
}

const chunkBytes = 64 * 1024

export function startMuxPeer(socket: Socket, config: MuxConfig): MuxPeer {
  const local$ = new Subject<MuxEvent>()
  const destroyed$ = new Subject<void>()
  const ids = streamIds(config.role)
  const streams = new Map<number, Local>()
  const accepted: PeerStream[] = []
  const heard = { syn: 0, fin: 0, psh: 0, nop: 0, upd: 0, rst: 0, rcp: 0 }
  const waiting = new Set<{ readonly condition: () => boolean; readonly resolve: () => void }>()
  let acceptable: ((stream: PeerStream) => void)[] = []
  let echoing = false
  let state: MuxState | undefined
  const peaks = { untaken: 0, queued: 0 }

  const check = (): void => {
    for (const entry of waiting) {
      if (!entry.condition()) continue
      waiting.delete(entry)
      entry.resolve()
    }
  }
  let finishOver: (error: LighthouseError) => void
  const over = new Promise<LighthouseError>(resolve => (finishOver = resolve))
  const end = (error: LighthouseError): void => {
    finishOver(error)
    for (const stream of streams.values()) stream.finish({ type: 'aborted', error })
    streams.clear()
    destroyed$.next()
    socket.destroy()
  }

  function createStream(id: number): Local {
    const hash = createHash('sha256')
    let bytes = 0
    let paused = false
    let untaken = 0
    let held = false
    let release: (() => void) | undefined
    let done = false
    let resolveEnd: (end: StreamEnd) => void
    let resolveGone: (error: LighthouseError) => void
    const ended = new Promise<StreamEnd>(resolve => (resolveEnd = resolve))
    const gone = new Promise<LighthouseError>(resolve => (resolveGone = resolve))
    const take = (): void => {
      if (untaken === 0) return
      const taken = untaken
      untaken = 0
      local$.next({ type: 'consumed', id, bytes: taken, now: performance.now() })
    }
    const stream: Local = {
      id,
      ended,
      gone,
      write: chunk => local$.next({ type: 'write', id, bytes: chunk }),
      send: async (size, seed) => {
        const next = patternSource(seed)
        const sent = createHash('sha256')
        let left = size
        while (left > 0 && !done) {
          const chunk = next(Math.min(chunkBytes, left))
          left -= chunk.length
          sent.update(chunk)
          stream.write(chunk)
          if (held) await new Promise<void>(resolve => (release = resolve))
        }
        return { bytes: size - left, sha256: sent.digest('hex') }
      },
      end: () => local$.next({ type: 'end', id }),
      pause: () => (paused = true),
      resume: () => {
        paused = false
        take()
      },
      deliver: chunk => {
        hash.update(chunk)
        bytes += chunk.length
        untaken += chunk.length
        peaks.untaken = Math.max(peaks.untaken, untaken)
        if (!paused) take()
        stream.sink?.(chunk)
      },
      finish: how => {
        resolveEnd(how.type === 'finished' ? { ...how, bytes, sha256: hash.digest('hex') } : how)
        stream.sink?.(undefined)
        if (how.type === 'aborted') {
          done = true
          resolveGone(how.error)
          stream.hold(false)
        }
      },
      hold: on => {
        held = on
        if (!on) release?.()
      },
    }
    streams.set(id, stream)
    return stream
  }

  function perform(effect: MuxEffect): void {
    switch (effect.type) {
      case 'send': {
        const bytes = encodeFrames(effect.frames, config.version)
        socket.write(bytes, error => {
          if (!error) local$.next({ type: 'room', bytes: bytes.length })
        })
        return
      }
      case 'fail':
        return end(effect.error)
      case 'accept': {
        const stream = createStream(effect.id)
        if (echoing) stream.sink = bytes => (bytes === undefined ? stream.end() : stream.write(bytes))
        const next = acceptable.shift()
        if (next === undefined) accepted.push(stream)
        else next(stream)
        return
      }
    }
    if (effect.type === 'receipt') throw new Error('smux has no receipts')
    const stream = streams.get(effect.id)
    switch (effect.type) {
      case 'deliver':
        return stream?.deliver(effect.bytes)
      case 'end':
        return stream?.finish({ type: 'finished', bytes: 0, sha256: '' })
      case 'reset':
        stream?.finish({ type: 'aborted', error: effect.error })
        streams.delete(effect.id)
        return
      case 'closed':
        streams.delete(effect.id)
        return
      case 'pause':
      case 'resume':
        return stream?.hold(effect.type === 'pause')
    }
  }

  const frames$ = fromEvent(socket, 'data').pipe(
    map(bytes => bytes as Uint8Array),
    deframeBatch(config),
    tap(frames => {
      for (const { command } of frames) heard[command]++
    }),
    map((frames): MuxEvent => ({ type: 'frames', frames, now: performance.now() })),
  )
  merge(frames$, local$)
    .pipe(multiplex(config), takeUntil(destroyed$))
    .subscribe({
      next: transition => {
        state = transition.state
        for (const { queuedBytes } of state.streams.values()) peaks.queued = Math.max(peaks.queued, queuedBytes)
        transition.effects.forEach(perform)
        check()
      },
      error: (error: unknown) => end(toLighthouseError('protocol-violation', error)),
    })
  // What a broken connection says is of no interest here: `close` follows.
  socket.on('error', () => undefined)
  socket.on('close', () => end(new LighthouseError('channel-closed', 'the TCP connection has ended')))

  return {
    open: () => {
      const stream = createStream(ids.next().value)
      local$.next({ type: 'open', id: stream.id })
      return stream
    },
    accept: () =>
      new Promise(resolve => {
        const stream = accepted.shift()
        if (stream === undefined) acceptable = [...acceptable, resolve]
        else resolve(stream)
      }),
    echo: () => (echoing = true),
    stream: id => streams.get(id),
    tick: (something = false) => {
      if (something) local$.next({ type: 'frames', frames: [], now: performance.now() })
      local$.next({ type: 'tick' })
    },
    state: () => {
      if (state === undefined) throw new Error('nothing has happened yet')
      return state
    },
    peaks: () => peaks,
    heard: () => heard,
    until: condition =>
      new Promise(resolve => {
        waiting.add({ condition, resolve })
        check()
      }),
    over,
    destroy: () => socket.destroy(),
  }
}
