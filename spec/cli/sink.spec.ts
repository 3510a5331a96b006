import { describe, expect, it } from '@jest/globals'
import { EventEmitter } from 'node:events'
import { createSink, type OutputStream } from '../../src/cli/sink.js'

/** A stream whose writes end as the spec says, one after the other. A failed one closes nothing, as with Node's own. */
function streamOf(isTTY: boolean): {
  readonly stream: OutputStream
  readonly written: string[]
  /** Ends the write that has waited longest. */
  readonly finish: (code?: string) => void
} {
  const written: string[] = []
  const waiting: { readonly size: number; readonly done: ((error?: Error) => void) | undefined }[] = []
  const emitter = new EventEmitter()
  const stream = Object.assign(emitter, {
    isTTY,
    write(chunk: string, done?: (error?: Error) => void) {
      written.push(chunk)
      waiting.push({ size: chunk.length, done })
      return true
    },
  })
  Object.defineProperty(stream, 'writableLength', { get: () => waiting.reduce((sum, { size }) => sum + size, 0) })
  return {
    stream: stream as unknown as OutputStream,
    written,
    finish(code) {
      const error = code === undefined ? undefined : Object.assign(new Error(`write ${code}`), { code })
      waiting.shift()?.done?.(error)
      if (error !== undefined) emitter.emit('error', error)
    },
  }
}

describe('a sink', () => {
  it('buffers at most a megabyte for a reader that has stopped, and goes on when it reads again', () => {
    const { stream, written, finish } = streamOf(false)
    const sink = createSink(stream, 'stdout')
    const line = 'x'.repeat(1_000)
    for (let lines = 0; lines < 10_000; lines++) sink.write(line)
    expect(stream.writableLength).toBeGreaterThan(1_000_000)
    expect(stream.writableLength).toBeLessThan(1_050_000)
    while (stream.writableLength > 0) finish()
    const before = written.length
    sink.write('again')
    expect(written.slice(before)).toEqual(['again'])
  })

  it.each([
    ['EPIPE', false, 'output-closed', /closed it/],
    ['EIO', true, 'output-closed', /closed it/],
    ['EIO', false, 'store-failed', /cannot write "stdout"/],
    ['ENOSPC', false, 'store-failed', /disk is full/],
  ])('survives %s with terminal %s, and says %s', async (errno, isTTY, code, message) => {
    const { stream, finish } = streamOf(isTTY)
    const sink = createSink(stream, 'stdout')
    expect(sink.isTTY).toBe(isTTY)
    const all = sink.writeAll('result')
    finish(errno)
    await expect(all).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })

  it('reports the first failure after the last write', async () => {
    const { stream, finish } = streamOf(false)
    const sink = createSink(stream, 'stdout')
    sink.write('one')
    finish('EPIPE')
    const flushed = sink.flush()
    finish()
    expect(await flushed).toMatchObject({ code: 'output-closed' })
    const whole = streamOf(false)
    const other = createSink(whole.stream, 'stdout')
    const flushing = other.flush()
    whole.finish()
    expect(await flushing).toBeUndefined()
  })
})
