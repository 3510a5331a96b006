import { describe, expect, it } from '@jest/globals'
import { progressLine, progressText } from '../../../src/cli/get/progress.js'
import { createOutput } from '../../../src/cli/output.js'
import { fakeIo } from '../support/fake-io.js'

describe('progressText', () => {
  it('says what there is, at which rate, and for how long', () => {
    const film = { name: 'film.mp4', bytes: 3_200_000, size: 10_000_000, rate: 1_500_000 }
    expect(progressText(film)).toBe('film.mp4  3.2 MB of 10.0 MB  32 %  1.5 MB/s  5 s left')
    expect(progressText({ ...film, rate: 50_000 })).toMatch(/3 min left$/)
    expect(progressText({ ...film, rate: 1_000 })).toMatch(/2 h left$/)
    expect(progressText({ ...film, rate: 0 })).toMatch(/0 B\/s$/)
    expect(progressText({ ...film, size: undefined })).toBe('film.mp4  3.2 MB  1.5 MB/s')
    expect(progressText({ ...film, silentSeconds: 12 })).toBe('film.mp4  3.2 MB of 10.0 MB  32 %  stalled for 12 s')
    expect(progressText({ ...film, bytes: 0, size: 0, rate: undefined })).toBe('film.mp4  0 B of 0 B  100 %')
  })

  it('fits one line of a terminal, whatever the name', () => {
    const largest = { bytes: 888_800_000_000, size: 999_900_000_000, rate: 888_800_000 }
    expect(progressText({ name: 'ü'.repeat(200), ...largest }).length).toBeLessThan(80)
    expect(progressText({ name: 'a\u001b[2Jb', ...largest })).toContain('a\\u{1b}[2Jb')
  })
})

describe('progressLine', () => {
  const show = (terminal: boolean, json: boolean): string => {
    const io = fakeIo('/', { terminal, env: { NO_COLOR: '1' } })
    let at = 0
    const line = progressLine(io, createOutput(io, json), 'film.mp4', () => at)
    for (const [ms, bytes] of [
      [0, 0],
      [100, 100_000],
      [1_000, 1_000_000],
      [2_000, 3_000_000],
      [3_000, 3_000_000],
      [6_500, 3_000_000],
      [7_500, 4_000_000],
    ] as const) {
      at = ms
      line.show(bytes, 10_000_000)
    }
    line.clear()
    line.clear()
    expect(io.out()).toBe('')
    return io.err()
  }

  it('follows on a terminal, not too often, and goes away', () => {
    expect(show(true, false).split('\r')).toEqual([
      '',
      'film.mp4  0 B of 10.0 MB  0 %\u001b[K',
      'film.mp4  1.0 MB of 10.0 MB  10 %  1.0 MB/s  9 s left\u001b[K',
      'film.mp4  3.0 MB of 10.0 MB  30 %  1.1 MB/s  7 s left\u001b[K',
      'film.mp4  3.0 MB of 10.0 MB  30 %  990.0 kB/s  8 s left\u001b[K',
      'film.mp4  3.0 MB of 10.0 MB  30 %  stalled for 4 s\u001b[K',
      'film.mp4  4.0 MB of 10.0 MB  40 %  901.9 kB/s  7 s left\u001b[K',
      '\u001b[K',
    ])
  })

  it.each([
    [false, false],
    [true, true],
    [false, true],
  ])('is not there with terminal %s and json %s', (terminal, json) => {
    expect(show(terminal, json)).toBe('')
  })
})
