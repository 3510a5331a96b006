/** The tunnel's figures as tables. */
import { digits, format, mark, mebibytes, table } from './figures.js'
import type { Result } from './measure.js'
import type { PairsResult } from './pairs.js'
import type { PausedResult } from './paused.js'

const targets = {
  ratio: 0.9,
  cost: 0.95,
  coldMs: 500,
  besideBulkMs: 50,
  growthBytes: 32 * 1024 * 1024,
  otherShare: 0.8,
}

function pathOf(roundTripMs: number): string {
  return roundTripMs === 0 ? 'loopback' : `${roundTripMs} ms round trip`
}

export function showTunnel(result: Result): string {
  const { roundTripMs, alone, besideBulk, ratio1, ratio10, coins1, coins10, coldFirstByteMs } = result
  // No answer comes sooner than the path allows: there the figure to reach is what bulk adds.
  const waitMs = roundTripMs === 0 ? besideBulk.p99 : besideBulk.p99 - alone.p50
  const rows = [
    [`${result.rtcName}, ${pathOf(roundTripMs)}`, 'median (min–max)', 'to reach', ''],
    [`raw channel, ${result.bestMessageBytes / 1024} KiB messages, MB/s`, format(result.raw), '', ''],
    ["simple-peer's own stream, MB/s", format(result.simplePeer), '', ''],
    ['TCP to TCP over the raw channel, nothing else, MB/s', format(result.bridge), '', ''],
    ['tunnel, 1 stream, MB/s', format(result.tunnel1), '', ''],
    ['tunnel, 10 streams, MB/s', format(result.tunnel10), '', ''],
    ['tunnel ÷ raw, 1 stream', format(ratio1), '≥ 0.9', mark(ratio1.median >= targets.ratio)],
    ['tunnel ÷ raw, 10 streams', format(ratio10), '≥ 0.9', mark(ratio10.median >= targets.ratio)],
    ['TCP to TCP over the raw channel ÷ raw', format(result.bridgeRatio), '', ''],
    ['tunnel ÷ TCP to TCP over the raw channel', format(result.ratioToBridge), '', ''],
    ['tunnel without coins, 1 stream, MB/s', format(result.free1), '', ''],
    ['tunnel without coins, 10 streams, MB/s', format(result.free10), '', ''],
    ['tunnel with coins ÷ without, 1 stream', format(coins1), '≥ 0.95', mark(coins1.median >= targets.cost)],
    ['tunnel with coins ÷ without, 10 streams', format(coins10), '≥ 0.95', mark(coins10.median >= targets.cost)],
    ['first 2 s without coins, MB/s', format(result.freeFirst), '', ''],
    ['first 2 s of a key that never paid, MB/s', format(result.freshFirst), '', ''],
    [
      'first byte cold, connection included, ms',
      format(coldFirstByteMs),
      roundTripMs === 0 ? '< 500' : '',
      roundTripMs === 0 ? mark(coldFirstByteMs.median < targets.coldMs) : '',
    ],
    ['first byte warm, ms', format(result.warmFirstByteMs), '', ''],
    ['1 KB request alone, p50 and p99, ms', `${digits(alone.p50)}, ${digits(alone.p99)}`, '', ''],
    [
      '1 KB request beside bulk, p50 and p99, ms',
      `${digits(besideBulk.p50)}, ${digits(besideBulk.p99)}`,
      roundTripMs === 0 ? 'p99 < 50' : 'p99 < 50 above alone',
      mark(waitMs < targets.besideBulkMs),
    ],
    ['bulk beside these requests, MB/s', digits(result.bulkBesideRequests), '', ''],
    ['peak memory in tunnel runs, consumer', mebibytes(result.consumerPeakBytes), '', ''],
    ['peak memory in tunnel runs, seeder', mebibytes(result.seederPeakBytes), '', ''],
  ]
  return table(rows)
}

export function showPairs({ cost, rtcName, roundTripMs, pairs, ratios, besideBulk }: PairsResult): string {
  const named = (streams: number): string => (streams === 1 ? '1 stream' : `${streams} streams`)
  const beside = [besideBulk.with, besideBulk.without].map(({ p50, p99 }) => `${digits(p50)} and ${digits(p99)}`)
  return table([
    [
      `${rtcName}, ${pathOf(roundTripMs)}, ${pairs} pairs`,
      'median',
      '95 % of medians',
      '80 % of pairs',
      'to reach',
      '',
    ],
    ...ratios.map(({ streams, median, low, high, p10, p90 }) => [
      `with ${cost} ÷ without, ${named(streams)}`,
      ...[digits(median), `${digits(low)}–${digits(high)}`, `${digits(p10)}–${digits(p90)}`],
      ...[`≥ ${targets.cost}`, mark(median >= targets.cost)],
    ]),
    ...ratios.map(rates => [
      `MB/s with and without, ${named(rates.streams)}`,
      ...[`${digits(rates.with)}, ${digits(rates.without)}`, '', '', '', ''],
    ]),
    ['1 KB beside bulk, p50 and p99, ms, with and without', beside.join(', '), '', '', '', ''],
  ])
}

export function showPaused(result: PausedResult): string {
  const { otherAlone, otherBeside, byteExact, consumerGrowthBytes, seederGrowthBytes } = result
  const share = otherBeside / otherAlone
  const growth = (bytes: number): string[] => [mebibytes(bytes), '< 32 MiB', mark(bytes < targets.growthBytes)]
  return table([
    [
      `${result.rtcName}, reader paused ${result.pauseMs / 1000} s in ${mebibytes(result.fileBytes)}`,
      '',
      'to reach',
      '',
    ],
    ['memory growth, consumer', ...growth(consumerGrowthBytes)],
    ['memory growth, seeder', ...growth(seederGrowthBytes)],
    ['another stream, alone and beside, MB/s', `${digits(otherAlone)}, ${digits(otherBeside)}`, '', ''],
    ['its share', digits(share), '≥ 0.8', mark(share >= targets.otherShare)],
    ['then byte-exact', String(byteExact), 'true', mark(byteExact)],
  ])
}
