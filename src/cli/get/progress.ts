import { formatBytes } from '../format.js'
import type { Io } from '../io.js'
import { type Output, printable } from '../output.js'

/** Often enough to be seen to move. */
const betweenMs = 200

/** How much the newest rate counts against those before: about two seconds' worth. */
const newestShare = 0.1

/** Room for the name, so that the line fits 80 columns. */
const nameWidth = 24

/** What is told of a transfer. */
export interface Progress {
  readonly name: string
  readonly bytes: number
  readonly size: number | undefined
  /** Bytes a second; undefined before there are two moments to compare. */
  readonly rate: number | undefined
}

function duration(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`
  return seconds < 3600 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`
}

/** `film.mp4  3.2 MB of 10.0 MB  32 %  1.5 MB/s  5 s left`. */
export function progressText({ name, bytes, size, rate }: Progress): string {
  const shown = printable(name)
  const letters = Array.from(shown)
  return [
    letters.length > nameWidth ? `${letters.slice(0, nameWidth - 1).join('')}…` : shown,
    size === undefined ? formatBytes(bytes) : `${formatBytes(bytes)} of ${formatBytes(size)}`,
    ...(size === undefined ? [] : [`${size === 0 ? 100 : Math.floor((bytes / size) * 100)} %`]),
    ...(rate === undefined ? [] : [`${formatBytes(Math.round(rate))}/s`]),
    ...(size === undefined || rate === undefined || rate < 1 ? [] : [`${duration((size - bytes) / rate)} left`]),
  ].join('  ')
}

/** A line on a terminal that follows a transfer. Nothing where stderr is no terminal, or under --json. */
export interface ProgressLine {
  show(bytes: number, size: number | undefined): void
  /** Takes the line away. */
  clear(): void
}

export function progressLine(io: Io, output: Output, name: string, now = () => performance.now()): ProgressLine {
  if (!io.stderr.isTTY || output.json) return { show: () => undefined, clear: () => undefined }
  let last: { readonly at: number; readonly bytes: number } | undefined
  let rate: number | undefined
  let isShown = false
  return {
    show(bytes, size) {
      const at = now()
      if (last !== undefined && at - last.at < betweenMs) return
      if (last !== undefined && bytes >= last.bytes) {
        const newest = ((bytes - last.bytes) / (at - last.at)) * 1000
        rate = rate === undefined ? newest : rate + (newest - rate) * newestShare
      }
      last = { at, bytes }
      isShown = true
      io.stderr.write(`\r${progressText({ name, bytes, size, rate })}\u001b[K`)
    },
    clear() {
      if (isShown) io.stderr.write('\r\u001b[K')
      isShown = false
      last = undefined
      rate = undefined
    },
  }
}
