/** `npm run bench -- [--quick | --full] [--pause] [--rtc NAME] [--path MS] [--json]`: what the tunnel costs, in figures. */
import { parseArgs } from 'node:util'
import { runCodec } from './codec-run.js'
import { digits, format, table } from './figures.js'
import { type Extent, measure, type Result } from './measure.js'
import { measurePaused, type PausedResult } from './paused.js'
import type { RtcName } from './peer.child.js'

const usage = `Measures the tunnel against the bare data channel, on this machine.

  npm run bench -- [options]

  --quick      about a minute: too short for SCTP to settle, no codec
  --full       a quarter of an hour or more: longer windows, nine rounds, and the paused reader
  --pause      only the reader that pauses 60 s in a download of 1 GiB
  --rtc NAME   only wrtc or only node-datachannel
  --path MS    only the path with that many milliseconds of added round trip: 0 or 40
  --json       the figures as JSON instead of tables
`

const extents = {
  quick: { rounds: 2, windowMs: 400, warmUpMs: 600, coldStarts: 2, latencyMs: 800 },
  usual: { rounds: 5, windowMs: 2500, warmUpMs: 1000, coldStarts: 5, latencyMs: 5000 },
  full: { rounds: 9, windowMs: 5000, warmUpMs: 2000, coldStarts: 9, latencyMs: 20_000 },
} as const satisfies Record<string, Extent>

const targets = {
  ratio: 0.9,
  coins: 0.95,
  coldMs: 500,
  besideBulkMs: 50,
  growthBytes: 32 * 1024 * 1024,
  otherShare: 0.8,
}

const mebibytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(0)} MiB`
const mark = (reached: boolean): string => (reached ? 'reached' : 'MISSED')

function show(result: Result): string {
  const { roundTripMs, alone, besideBulk, ratio1, ratio10, coins1, coins10, coldFirstByteMs } = result
  const path = roundTripMs === 0 ? 'loopback' : `${roundTripMs} ms round trip`
  // No answer comes sooner than the path allows: there the figure to reach is what bulk adds.
  const waitMs = roundTripMs === 0 ? besideBulk.p99 : besideBulk.p99 - alone.p50
  const rows = [
    [`${result.rtcName}, ${path}`, 'median (min–max)', 'to reach', ''],
    [`raw channel, ${result.bestMessageBytes / 1024} KiB messages, MB/s`, format(result.raw), '', ''],
    ["simple-peer's own stream, MB/s", format(result.simplePeer), '', ''],
    ['tunnel, 1 stream, MB/s', format(result.tunnel1), '', ''],
    ['tunnel, 10 streams, MB/s', format(result.tunnel10), '', ''],
    ['tunnel ÷ raw, 1 stream', format(ratio1), '≥ 0.9', mark(ratio1.median >= targets.ratio)],
    ['tunnel ÷ raw, 10 streams', format(ratio10), '≥ 0.9', mark(ratio10.median >= targets.ratio)],
    ['tunnel without coins, 1 stream, MB/s', format(result.free1), '', ''],
    ['tunnel without coins, 10 streams, MB/s', format(result.free10), '', ''],
    ['tunnel with coins ÷ without, 1 stream', format(coins1), '≥ 0.95', mark(coins1.median >= targets.coins)],
    ['tunnel with coins ÷ without, 10 streams', format(coins10), '≥ 0.95', mark(coins10.median >= targets.coins)],
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

function showPaused(result: PausedResult): string {
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

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      full: { type: 'boolean', default: false },
      pause: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      rtc: { type: 'string' },
      path: { type: 'string' },
    },
  })
  const print = (text: string): void => void process.stdout.write(`${text}\n`)
  const say = (text: string): void => {
    if (!values.json) print(`${text}\n`)
  }
  if (values.help) return print(usage)
  const extent = values.full ? extents.full : values.quick ? extents.quick : extents.usual
  const names = (['wrtc', 'node-datachannel'] as const satisfies RtcName[]).filter(
    name => values.rtc === undefined || values.rtc === name,
  )
  const paths = [0, 40].filter(path => values.path === undefined || Number(values.path) === path)
  if (names.length === 0 || paths.length === 0) throw new Error(`nothing to measure\n\n${usage}`)

  const results: Result[] = []
  const paused: PausedResult[] = []
  for (const roundTripMs of values.pause ? [] : paths) {
    for (const rtcName of names) {
      const result = await measure({ rtcName, roundTripMs }, extent)
      results.push(result)
      say(show(result))
    }
  }
  if (values.pause || values.full) {
    for (const rtcName of names) {
      const result = await measurePaused({ rtcName, roundTripMs: 0, fileBytes: 1024 ** 3, pauseMs: 60_000 })
      paused.push(result)
      say(showPaused(result))
    }
  }
  const codec = values.quick || values.pause ? undefined : await runCodec()
  if (codec !== undefined) say(codec)
  if (values.json) print(JSON.stringify({ results, paused, codec: codec?.split('\n') }, undefined, 2))
}

await main()
