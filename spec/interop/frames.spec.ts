import { beforeAll, expect, it } from '@jest/globals'
import { createHash } from 'node:crypto'
import { encodeFrames, headerBytes, type MuxVersion, writeHeader } from '../../src/protocol/mux/frame.js'
import { describeIf, hasGoSmux } from '../support/requires.js'
import { judgeByGo } from './support/go-judge.js'
import { buildGoProgram, goBuildMs, type GoProgram, goReason } from './support/go-program.js'
import { type Difference, type Judgement, judgeOurs, type Sequence } from './support/judge.js'
import { random as randomSource } from '../support/random.js'
import { randomSequence } from './support/sequences.js'

/** All 100,000: `LIGHTHOUSE_INTEROP_SEQUENCES=100000`. A failed run is repeated with the seed it printed. */
const count = Number(process.env['LIGHTHOUSE_INTEROP_SEQUENCES'] ?? 10_000)
const seed = Number(process.env['LIGHTHOUSE_INTEROP_SEED'] ?? Date.now() % 2 ** 31)
const batch = 5_000

const hashOf = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')
const join = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))
const bare = (command: 'syn' | 'fin' | 'nop', streamId: number, version: MuxVersion = 1): Uint8Array =>
  encodeFrames([{ command, streamId }], version)
const psh = (streamId: number, data: Uint8Array, version: MuxVersion = 1): Uint8Array =>
  encodeFrames([{ command: 'psh', streamId, data }], version)
const upd = (streamId: number, consumed: number, window: number, version: MuxVersion = 2): Uint8Array =>
  encodeFrames([{ command: 'upd', streamId, consumed, window }], version)
const withSize = (frame: Uint8Array, size: number): Uint8Array => {
  const changed = frame.slice()
  new DataView(changed.buffer).setUint16(2, size, true)
  return changed
}

const data = Uint8Array.of(1, 2, 3, 4)
const stream = (id: number, state: Partial<Judgement['streams'][number]> = {}): Judgement['streams'][number] => ({
  id,
  bytes: 0,
  sha256: hashOf(new Uint8Array()),
  fin: false,
  consumed: 0,
  window: 262_144,
  ...state,
})
const fullWindow = new Uint8Array(262_144)

/** Each rule of ours that Go does not have, with what Go makes of a sequence that breaks it. */
const differences: readonly {
  readonly difference: Difference
  readonly goSays: string
  readonly sequence: Sequence
  readonly go: Judgement['streams']
}[] = [
  {
    difference: 'size-of-syn-fin-nop',
    goSays: 'ignores the size, and takes the announced data for the next header',
    sequence: { version: 1, from: 'client', bytes: join(withSize(bare('syn', 3), 8), bare('syn', 5)) },
    go: [stream(3), stream(5)],
  },
  {
    difference: 'size-of-syn-fin-nop',
    goSays: 'ignores the size of FIN too',
    sequence: { version: 1, from: 'client', bytes: join(bare('syn', 3), withSize(bare('fin', 3), 1)) },
    go: [stream(3, { fin: true })],
  },
  {
    difference: 'size-of-syn-fin-nop',
    goSays: 'ignores the size of NOP too',
    sequence: { version: 2, from: 'client', bytes: join(withSize(bare('nop', 0, 2), 65_535), bare('syn', 3, 2)) },
    go: [stream(3)],
  },
  {
    difference: 'size-of-upd',
    goSays: 'reads 8 bytes whatever the size says',
    sequence: { version: 2, from: 'client', bytes: join(bare('syn', 3, 2), withSize(upd(3, 0, 99), 4)) },
    go: [stream(3, { window: 99 })],
  },
  {
    difference: 'upd-in-version-1',
    goSays: 'takes it, and its version 1 never looks at the window',
    sequence: { version: 1, from: 'client', bytes: join(bare('syn', 3), upd(3, 0, 99, 1)) },
    go: [stream(3, { window: 99 })],
  },
  {
    difference: 'syn-of-own-parity',
    goSays: 'opens a stream of any ID, its own parity and 0 included',
    sequence: { version: 1, from: 'client', bytes: join(bare('syn', 2)) },
    go: [stream(2)],
  },
  {
    difference: 'upd-for-more-than-sent',
    goSays: 'stores it; its next write on that stream fails with ErrConsumed, the connection goes on',
    sequence: { version: 2, from: 'client', bytes: join(bare('syn', 3, 2), upd(3, 7, 99)) },
    go: [stream(3, { consumed: 7, window: 99 })],
  },
  {
    difference: 'data-after-fin',
    goSays: 'gives its reader the data, as if FIN came behind it; ours drops it',
    sequence: { version: 1, from: 'client', bytes: join(bare('syn', 3), bare('fin', 3), psh(3, data)) },
    go: [stream(3, { fin: true, bytes: data.length, sha256: hashOf(data) })],
  },
  {
    difference: 'more-than-window',
    goSays: 'does not enforce the window that it has announced',
    sequence: { version: 2, from: 'client', bytes: join(bare('syn', 3, 2), psh(3, fullWindow, 2), psh(3, data, 2)) },
    go: [stream(3, { bytes: fullWindow.length + data.length, sha256: hashOf(join(fullWindow, data)) })],
  },
]

describeIf(hasGoSmux(), goReason)('sequences of frames', () => {
  let program: GoProgram
  beforeAll(async () => {
    program = await buildGoProgram()
  }, goBuildMs)

  it.each(differences)('differ on $difference: Go $goSays', async ({ difference, sequence, go }) => {
    expect(judgeOurs(sequence).difference).toBe(difference)
    const { length } = sequence.bytes
    expect(await judgeByGo(program, [sequence])).toEqual([{ verdict: 'end', read: length, streams: go }])
  })

  it('are taken or rejected by both for the same reasons', async () => {
    const sequence = (version: MuxVersion, ...parts: readonly Uint8Array[]): Sequence => ({
      version,
      from: 'client',
      bytes: join(...parts),
    })
    const unknown = bare('syn', 3)
    unknown[1] = 5
    const large = new Uint8Array(headerBytes + 65_535)
    writeHeader(large, 0, 1, 'psh', 65_535, 3)
    const cases: readonly (readonly [Sequence, Judgement['verdict'], read: number, streams: number])[] = [
      [sequence(1), 'end', 0, 0],
      [sequence(1, bare('nop', 0), bare('nop', 77)), 'end', 16, 0],
      [sequence(1, bare('syn', 3), bare('syn', 3)), 'end', 16, 1],
      [sequence(1, bare('syn', 3), bare('fin', 3), bare('syn', 3), bare('fin', 3)), 'end', 32, 1],
      [sequence(1, bare('syn', 3), psh(3, new Uint8Array())), 'end', 16, 1],
      [sequence(1, psh(3, data), bare('fin', 3)), 'end', 20, 0],
      [sequence(1, bare('syn', 3), large), 'end', 16 + 65_535, 1],
      [sequence(1, bare('syn', 3).subarray(0, 7)), 'truncated', 7, 0],
      [sequence(1, bare('syn', 3), psh(3, data).subarray(0, 11)), 'truncated', 19, 1],
      [sequence(1, bare('syn', 3), psh(3, data).subarray(0, 8)), 'end', 16, 1],
      [sequence(1, bare('syn', 3), bare('syn', 5, 2)), 'rejected', 16, 1],
      [sequence(2, bare('syn', 3, 2), bare('syn', 5, 1), bare('syn', 7, 2)), 'rejected', 16, 1],
      [sequence(1, unknown), 'rejected', 8, 0],
      [sequence(1, bare('syn', 0xffff_ffff), psh(0xffff_ffff, data)), 'end', 20, 1],
      [sequence(2, bare('syn', 3, 2), upd(3, 0, 5), upd(5, 9, 9)), 'end', 40, 1],
    ]
    const theirs = await judgeByGo(
      program,
      cases.map(([each]) => each),
    )
    cases.forEach(([each, verdict, read, streams], index) => {
      const { judgement, difference } = judgeOurs(each)
      expect(difference).toBeUndefined()
      expect([verdict, read, streams]).toEqual([judgement.verdict, judgement.read, judgement.streams.length])
      expect(theirs[index]).toEqual(judgement)
    })
  })

  it(`are judged alike, ${count} random and mutated ones`, async () => {
    const random = randomSource(seed)
    const tally = new Map<string, number>()
    for (let done = 0; done < count; done += batch) {
      const sequences = Array.from({ length: Math.min(batch, count - done) }, () => randomSequence(random))
      const ours = sequences.map(judgeOurs)
      // A sequence that breaks a rule that Go does not have is compared up to the frame that breaks it.
      const comparable = sequences.map((each, index) =>
        ours[index]!.difference === undefined
          ? each
          : { ...each, bytes: each.bytes.subarray(0, ours[index]!.judgement.read) },
      )
      const theirs = await judgeByGo(program, comparable)
      expect(theirs).toHaveLength(sequences.length)
      ours.forEach(({ judgement, difference }, index) => {
        const name = difference === undefined ? judgement.verdict : `up to ${difference}`
        tally.set(name, (tally.get(name) ?? 0) + 1)
        if (JSON.stringify(theirs[index]) === JSON.stringify(judgement)) return
        const hex = Buffer.from(comparable[index]!.bytes).toString('hex')
        const { version, from } = comparable[index]!
        throw new Error(
          `seed ${seed}, sequence ${done + index}, version ${version}, from ${from}, ${hex}\n` +
            `ours ${JSON.stringify(judgement)}\nGo   ${JSON.stringify(theirs[index])}`,
        )
      })
    }
    // Every kind of verdict has really been met.
    for (const verdict of ['end', 'truncated', 'rejected']) expect(tally.get(verdict)).toBeGreaterThan(count / 50)
    const figures = [...tally].toSorted((a, b) => b[1] - a[1]).map(([name, times]) => `${name} ${times}`)
    process.stdout.write(
      `${count} frame sequences judged alike by ours and Go's, seed ${seed}: ${figures.join(', ')}\n`,
    )
  }, 600_000)
})
