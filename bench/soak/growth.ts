/** How fast a program's memory grows. */

/** One look at it. */
export interface MemorySample {
  readonly atMs: number
  readonly heapUsed: number
  readonly rss: number
}

export interface Growth {
  readonly samples: number
  readonly mbPerHour: number
  /** Standard error of that. */
  readonly error: number
}

/** The straight line through the samples, by least squares. */
export function growthOf(samples: readonly MemorySample[], what: 'heapUsed' | 'rss'): Growth {
  const points = samples.map(sample => ({ hours: sample.atMs / 3_600_000, mb: sample[what] / 1e6 }))
  const count = points.length
  const mean = (pick: (point: { hours: number; mb: number }) => number): number =>
    points.reduce((sum, point) => sum + pick(point), 0) / count
  const [hours, mb] = [mean(point => point.hours), mean(point => point.mb)]
  const spread = points.reduce((sum, point) => sum + (point.hours - hours) ** 2, 0)
  const slope = points.reduce((sum, point) => sum + (point.hours - hours) * (point.mb - mb), 0) / spread
  const left = points.reduce((sum, point) => sum + (point.mb - mb - slope * (point.hours - hours)) ** 2, 0)
  return { samples: count, mbPerHour: slope, error: Math.sqrt(left / Math.max(1, count - 2) / spread) }
}

/** The smallest of each `size` samples in a row: what is on the way when one looks is no growth. */
export function lowest(samples: readonly MemorySample[], size: number): readonly MemorySample[] {
  const windows = Array.from({ length: Math.floor(samples.length / size) }, (_, at) =>
    samples.slice(at * size, (at + 1) * size),
  )
  return windows.map(window => window.reduce((least, next) => (next.heapUsed < least.heapUsed ? next : least)))
}
