/**
 * A player on a host of the lab. It reads one HTTP response at the rate of a film until it is told to read on, and from then on as
 * fast as it comes: what has been read ahead hides no gap.
 */
import { EventEmitter, once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { PeerStats } from '../../../src/protocol/peer/stats.js'
import { open, readText, receive, type Received } from '../../support/transfer.node.js'

/** What it is told. */
export type PlayerOrder =
  | {
      readonly type: 'play'
      /** Of the peer's proxy on this host. */
      readonly proxy: string
      readonly path: string
      readonly bytesPerSecond: number
      /** After so many bytes it says that it is playing. */
      readonly startBytes: number
    }
  | { readonly type: 'read-on' }
  /** Which paths do the connections of the peer with this proxy take? */
  | { readonly type: 'paths'; readonly proxy: string }

/** What it says. */
export type PlayerReport =
  | { readonly type: 'playing' }
  /** Of each connection, oldest first. */
  | { readonly type: 'paths'; readonly paths: readonly string[] }
  /** The response is over; the longest time in which nothing came, in milliseconds, since it was told to read on. */
  | ({ readonly type: 'played'; readonly status: number; readonly longestGapMs: number } & Received)
  | { readonly type: 'broken'; readonly message: string }

const orders = new EventEmitter()
const report = (message: PlayerReport): void => void process.send!(message)

/** How often a player looks whether it needs more. */
const lookMs = 50

async function pathsOf(proxy: string): Promise<readonly string[]> {
  const { text } = await readText(`${proxy}/stats`, { headers: { accept: 'application/json' } })
  return (JSON.parse(text) as PeerStats).connections.map(({ path }) => path)
}

async function play(order: Extract<PlayerOrder, { type: 'play' }>): Promise<void> {
  const { proxy, path, bytesPerSecond, startBytes } = order
  const opened = await open(`${proxy}${path}`)
  const { message, status } = opened
  const whole = receive(opened)
  const startedAt = performance.now()
  let bytes = 0
  let longestGapMs = 0
  /** When it was told to read on, and later when something came last. */
  let lastAt: number | undefined
  const told = once(orders, 'read-on').then(() => {
    lastAt = performance.now()
    message.resume()
  })
  const pace = async (): Promise<void> => {
    message.pause()
    do await delay(lookMs)
    while (lastAt === undefined && bytes / bytesPerSecond > (performance.now() - startedAt) / 1e3)
    message.resume()
  }
  message.on('data', (chunk: Buffer) => {
    const isStart = bytes < startBytes && bytes + chunk.length >= startBytes
    bytes += chunk.length
    if (isStart) report({ type: 'playing' })
    if (lastAt === undefined) return void pace()
    const now = performance.now()
    longestGapMs = Math.max(longestGapMs, now - lastAt)
    lastAt = now
  })
  const [received] = await Promise.all([whole, told])
  report({ type: 'played', status, longestGapMs, ...received })
}

const broken = (error: unknown): void => report({ type: 'broken', message: String(error) })

process.on('message', (order: PlayerOrder) => {
  if (order.type === 'play') play(order).catch(broken)
  else if (order.type === 'read-on') orders.emit('read-on')
  else pathsOf(order.proxy).then(paths => report({ type: 'paths', paths }), broken)
})
process.on('disconnect', () => process.exit())
