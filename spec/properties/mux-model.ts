import { createDeframer, stepDeframer, type DeframerState } from '../../src/protocol/mux/deframer.js'
import { createMux, step, streamIds } from '../../src/protocol/mux/step.js'
import { isAwaitingCredit, queueBudget } from '../../src/protocol/mux/schedule.js'
import { groupFrames } from '../../src/protocol/mux/pack.js'
import { isReady } from '../../src/protocol/mux/streams.js'
import type { MuxConfig, MuxEffect, MuxEvent, MuxState } from '../../src/protocol/mux/state.js'
import { encodeFrames, type Frame, headerBytes, maxSentDataBytes } from '../../src/protocol/mux/frame.js'
import { extraWindowOf, windowBudgetBytes } from '../../src/protocol/mux/window.js'
import { deepFreeze } from '../support/freeze.js'
import { isSame, patternBytes } from '../support/pattern.js'

/** Thousands of checks a run: cheaper than `expect`. */
function ensure(holds: boolean, rule: string): void {
  if (!holds) throw new Error(`broken: ${rule}`)
}

/** What one end of one stream did and saw. */
export interface StreamRecord {
  readonly id: number
  written: number
  largestChunk: number
  ended: boolean
  held: boolean
  delivered: number
  taken: number
  finished: boolean
  over: 'no' | 'closed' | 'aborted' | 'reset'
}

/** One end: its state, what its local connections did, and the bytes on their way to it. */
export class MuxEnd {
  state: MuxState
  readonly streams = new Map<number, StreamRecord>()
  readonly inbox: Uint8Array[] = []
  failure: string | undefined
  aborts: string[] = []
  sentBytes = 0
  drainedBytes = 0
  /** Most that the other side ever had credit for: what is lowered takes nothing back. */
  mostCredit: number | undefined
  receipts: number[] = []
  receiptBytes = 0
  now = 0
  other!: MuxEnd
  private readonly ids: Generator<number, never>
  private deframer: DeframerState
  private readonly watcher: { state: DeframerState }

  constructor(readonly config: MuxConfig) {
    this.state = deepFreeze(createMux(config))
    this.ids = streamIds(config.role)
    this.deframer = createDeframer(config)
    this.watcher = { state: createDeframer(config) }
  }

  /** Streams whose local connection is still there. */
  open(): StreamRecord[] {
    return [...this.streams.values()].filter(stream => stream.over === 'no')
  }

  openStream(): StreamRecord {
    const id = this.ids.next().value
    const record = this.record(id)
    this.apply({ type: 'open', id })
    return record
  }

  write(stream: StreamRecord, length: number): void {
    const bytes = patternBytes(this.nameOf(stream.id, this), stream.written, length).slice()
    stream.written += length
    stream.largestChunk = Math.max(stream.largestChunk, length)
    this.apply({ type: 'write', id: stream.id, bytes })
    const { streams, queuedBytes } = this.state
    const after = streams.get(stream.id)
    if (length === 0 || this.failure !== undefined || after === undefined || after.queuedBytes === 0) return
    ensure(after.paused || queuedBytes < queueBudget(this.state), 'who writes beyond what all may queue is held')
  }

  end(stream: StreamRecord): void {
    stream.ended = true
    this.apply({ type: 'end', id: stream.id })
  }

  reset(stream: StreamRecord): void {
    stream.over = 'reset'
    this.apply({ type: 'reset', id: stream.id })
  }

  take(stream: StreamRecord, bytes: number): void {
    stream.taken += bytes
    this.apply({ type: 'consumed', id: stream.id, bytes, now: this.now })
  }

  /** So many payload bytes more than are sent, or fewer than before. */
  credit(bytes: number): void {
    const limit = this.state.sentBytes + bytes
    this.mostCredit = Math.max(this.mostCredit ?? 0, limit)
    this.apply({ type: 'credit', bytes: limit })
  }

  sign(bytes: number): void {
    this.receiptBytes += bytes
    this.apply({ type: 'receipt', receipt: { bytes: this.receiptBytes, signature: new Uint8Array(64) } })
  }

  drain(bytes: number): void {
    const most = Math.min(bytes, this.sentBytes - this.drainedBytes)
    this.drainedBytes += most
    if (most > 0) this.apply({ type: 'room', bytes: most })
  }

  /** The next `bytes` of what the other end sent arrive, as one chunk, wherever that cuts. */
  arrive(bytes: number): void {
    const first = this.inbox.shift()
    if (first === undefined) return
    const chunk = first.subarray(0, bytes)
    if (chunk.length < first.length) this.inbox.unshift(first.subarray(chunk.length))
    const [next, frames] = stepDeframer(this.deframer, chunk)
    this.deframer = next
    if (frames.length > 0) this.apply({ type: 'frames', frames, now: this.now })
  }

  apply(event: MuxEvent): void {
    const [state, effects] = step(this.state, event)
    this.state = deepFreeze(state)
    effects.forEach(effect => {
      this.perform(effect)
    })
    this.check()
  }

  private record(id: number): StreamRecord {
    const zero = { written: 0, largestChunk: 0, delivered: 0, taken: 0 }
    const record: StreamRecord = { id, ...zero, ended: false, held: false, finished: false, over: 'no' }
    this.streams.set(id, record)
    return record
  }

  private nameOf(id: number, from: MuxEnd): number {
    return id * 2 + (from.config.role === 'client' ? 1 : 0)
  }

  private perform(effect: MuxEffect): void {
    if (effect.type === 'send') return this.send(effect.frames)
    if (effect.type === 'fail') {
      this.failure = `${effect.error.code}: ${effect.error.message}`
      return
    }
    if (effect.type === 'accept') {
      ensure(!this.streams.has(effect.id), 'accepted once')
      this.record(effect.id)
      return
    }
    if (effect.type === 'receipt') {
      ensure(this.config.receipts === true, 'receipts come where they were agreed')
      this.receipts.push(effect.receipt.bytes)
      return
    }
    const stream = this.streams.get(effect.id)!
    ensure(stream.over === 'no', `nothing after the end (${effect.type})`)
    switch (effect.type) {
      case 'deliver':
        ensure(!stream.finished, 'FIN never overtakes data')
        ensure(effect.bytes.length > 0, 'no empty deliveries')
        ensure(effect.bytes.buffer.byteLength === effect.bytes.length, 'deliveries keep no message alive')
        if (
          !isSame(effect.bytes, patternBytes(this.nameOf(effect.id, this.other), stream.delivered, effect.bytes.length))
        )
          throw new Error(`stream ${effect.id}: wrong bytes at ${stream.delivered}`)
        stream.delivered += effect.bytes.length
        return
      case 'end':
        ensure(!stream.finished, 'one end only')
        stream.finished = true
        return
      case 'pause':
      case 'resume':
        ensure((effect.type === 'pause') === !stream.held, 'pause and resume alternate')
        stream.held = effect.type === 'pause'
        return
      case 'closed':
        ensure(stream.ended && stream.finished, 'closed means ended in both directions')
        stream.over = 'closed'
        return
      case 'reset':
        this.aborts.push(effect.error.code)
        stream.over = 'aborted'
    }
  }

  private send(frames: readonly Frame[]): void {
    ensure(this.state.room > -this.config.maxMessageBytes, 'the room is passed by less than a message')
    const { maxMessageBytes, version } = this.config
    const messages = groupFrames(frames, maxMessageBytes).map(message => encodeFrames(message, version))
    for (const message of messages) this.sendMessage(message)
    const isFull = messages.at(-1)!.length + headerBytes + maxSentDataBytes > maxMessageBytes
    ensure(isFull || this.isIdle(), 'a message that is begun is filled')
  }

  private sendMessage(message: Uint8Array): void {
    ensure(message.length <= this.config.maxMessageBytes, 'message ≤ maxMessageBytes')
    const [next, frames] = stepDeframer(this.watcher.state, message)
    this.watcher.state = next
    ensure(next.heldBytes === 0, 'messages hold whole frames')
    for (const frame of frames) {
      ensure(frame.command !== 'psh' || frame.data.length <= maxSentDataBytes, 'data of a frame ≤ 4,096 bytes')
    }
    this.sentBytes += message.length
    this.other.inbox.push(message)
  }

  /** Whether nothing waits for room. What waits for credit waits with its turn. */
  private isIdle(): boolean {
    const { ready, control } = this.state
    return control.length === 0 && (ready.length === 0 || isAwaitingCredit(this.state))
  }

  private check(): void {
    const { state, config } = this
    if (this.failure !== undefined) return
    let [queuedBytes, extraWindow, chunks] = [0, 0, 0]
    ensure(new Set(state.ready).size === state.ready.length, 'a stream waits for one turn at a time')
    ensure(
      state.ready.every(id => state.streams.has(id)),
      'only open streams wait for a turn',
    )
    for (const stream of state.streams.values()) {
      const record = this.streams.get(stream.id)!
      const queued = stream.queue.reduce((sum, part) => sum + part.length, 0)
      queuedBytes += queued
      chunks += Math.max(1, record.largestChunk)
      extraWindow += extraWindowOf(stream.window)
      ensure(stream.queuedBytes === queued, 'queuedBytes is what is queued')
      ensure(queued < config.queueHighBytes + Math.max(1, record.largestChunk), 'queue ≤ high mark + one chunk')
      ensure(!isReady(stream, config) || state.ready.includes(stream.id), 'who can send waits for a turn')
      ensure(stream.received === record.delivered, 'what was received was delivered')
      ensure(config.version === 1 || stream.received <= stream.granted, 'received ≤ granted')
      ensure(config.version === 1 || stream.granted - stream.consumed <= stream.window, 'granted ahead ≤ window')
      ensure(record.held === stream.paused, 'pause and resume are told')
      ensure(!stream.paused || queued > 0 || stream.ending, 'who is held has a turn to come')
    }
    ensure(state.queuedBytes === queuedBytes, 'queuedBytes is the sum of all queues')
    ensure(queuedBytes < config.totalQueueBytes + chunks + 1, 'all queues ≤ the total + one chunk each')
    ensure(state.extraWindow === extraWindow, 'extraWindow is the sum of what windows have above the first')
    ensure(extraWindow <= windowBudgetBytes, 'windows keep within the budget')
    const ahead = this.sentBytes - this.drainedBytes
    ensure(ahead < config.channelBytes + config.maxMessageBytes, 'handed ahead < channelBytes + one message')
    ensure(state.room === config.channelBytes - ahead, 'room is what is left')
    ensure(state.room <= 0 || this.isIdle(), 'what may be sent is sent while there is room')
    ensure(state.streams.size <= config.maxStreams, 'streams ≤ maxStreams')
    ensure(state.sentBytes <= (this.mostCredit ?? Infinity), 'payload sent ≤ the credit')
    ensure(state.payableBytes <= state.receivedBytes, 'nothing is paid for that did not come')
    ensure(state.receivedBytes <= this.other.state.sentBytes, 'nothing comes that was not sent')
  }
}

/** Two ends whose channels carry bytes to each other. */
export function muxPair(client: MuxConfig, server: MuxConfig): readonly [MuxEnd, MuxEnd] {
  const ends = [new MuxEnd(client), new MuxEnd(server)] as const
  ends[0].other = ends[1]
  ends[1].other = ends[0]
  return ends
}

/** Lets everything under way arrive and be taken, until nothing moves any more. */
export function settle(ends: readonly MuxEnd[], taking = true): void {
  for (let moved = true; moved;) {
    moved = false
    for (const end of ends) {
      while (end.inbox.length > 0) {
        end.arrive(Infinity)
        moved = true
      }
      if (end.sentBytes > end.drainedBytes) {
        end.drain(Infinity)
        moved = true
      }
      for (const stream of taking ? end.open() : []) {
        if (stream.delivered === stream.taken) continue
        end.take(stream, stream.delivered - stream.taken)
        moved = true
      }
    }
  }
}
