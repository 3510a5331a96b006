import { formatBytes } from '../../protocol/byte-size.js'
import type { Io } from '../io.js'
import { liveLine } from '../live-line.js'
import { type Output, printable } from '../output.js'

/** How much the newest rate counts against those before: about two seconds' worth. */
const newestShare = 0.1

/** Silence after which its duration is shown instead of an outdated rate. */
const silentMs = 3_000

/** Room for the name, so that the line fits 80 columns. */
const nameWidth = 24

/** What a line of progress shows. */
export interface Progress {
  readonly name: string
  readonly bytes: number
  readonly size: number | undefined
  /** Bytes a second; undefined before there are two moments to compare. */
  readonly rate: number | undefined
  /** For how long the transfer has stalled, if it has. */
  readonly silentSeconds?: number | undefined
}

function duration(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`
  return seconds < 3600 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`
}

function paceTexts(bytes: number, size: number | undefined, rate: number | undefined): readonly string[] {
  if (rate === undefined) return []
  const pace = `${formatBytes(rate)}/s`
  return size === undefined || rate < 1 ? [pace] : [pace, `${duration((size - bytes) / rate)} left`]
}

/** `film.mp4  3.2 MB of 10.0 MB  32 %  1.5 MB/s  5 s left`. */
export function progressText({ name, bytes, size, rate, silentSeconds }: Progress): string {
  const shown = printable(name)
  const letters = Array.from(shown)
  return [
    letters.length > nameWidth ? `${letters.slice(0, nameWidth - 1).join('')}…` : shown,
    size === undefined ? formatBytes(bytes) : `${formatBytes(bytes)} of ${formatBytes(size)}`,
    ...(size === undefined ? [] : [`${size === 0 ? 100 : Math.floor((bytes / size) * 100)} %`]),
    ...(silentSeconds === undefined ? paceTexts(bytes, size, rate) : [`stalled for ${silentSeconds} s`]),
  ].join('  ')
}

/** A line on a terminal that follows a transfer. */
export interface ProgressLine {
  /** What there is now; also from time to time while nothing comes. */
  show(bytes: number, size: number | undefined): void
  /** Takes the line away. */
  clear(): void
}

export function progressLine(io: Io, output: Output, name: string, now = () => performance.now()): ProgressLine {
  const line = liveLine(io, output, now)
  let shown: { readonly at: number; readonly bytes: number } | undefined
  let moved = { at: now(), bytes: 0 }
  let rate: number | undefined
  return {
    show: (bytes, size) =>
      line.show(at => {
        if (bytes !== moved.bytes) moved = { at, bytes }
        if (shown !== undefined && bytes >= shown.bytes) {
          const newest = ((bytes - shown.bytes) / (at - shown.at)) * 1000
          rate = rate === undefined ? newest : rate + (newest - rate) * newestShare
        }
        shown = { at, bytes }
        const silentSeconds = at - moved.at < silentMs ? undefined : Math.floor((at - moved.at) / 1000)
        return progressText({ name, bytes, size, rate, silentSeconds })
      }),
    clear() {
      line.clear()
      shown = undefined
      rate = undefined
    },
  }
}
