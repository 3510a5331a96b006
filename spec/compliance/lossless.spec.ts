import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from '@jest/globals'
import { sized } from '../support/sized.js'
import { type LosslessMessage, messageBytes } from './lossless.messages.js'

/** The whole figure is a million; that takes minutes. */
const count = sized(20_000, 1_000_000)
const limitMs = sized(120_000, 30 * 60_000)

/** Far below the 16 MiB past which wrtc drops what it is given without a word. */
const mostBytesAhead = 2 * 1024 * 1024

const children: ChildProcess[] = []

const busy = fileURLToPath(new URL('./busy.process.js', import.meta.url))
const end = fileURLToPath(new URL('./lossless.process.js', import.meta.url))

function start(file: string, ...args: readonly string[]): ChildProcess {
  const child = fork(file, args, { execArgv: [] })
  children.push(child)
  return child
}

afterEach(async () => {
  const exits = children.splice(0).map(async child => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  })
  await Promise.all(exits)
})

/** The first message of that type; rejects when the process fails or ends before. */
function messageOf<Type extends LosslessMessage['type']>(
  child: ChildProcess,
  type: Type,
): Promise<LosslessMessage & { readonly type: Type }> {
  return new Promise((resolve, reject) => {
    child.on('message', (message: LosslessMessage) => {
      if (message.type === 'failed') reject(new Error(message.message))
      if (message.type === type) resolve(message as LosslessMessage & { readonly type: Type })
    })
    child.once('exit', code => reject(new Error(`ended with ${code}`)))
  })
}

describe('numbered messages between two processes with both cores busy', () => {
  it.each(['wrtc', 'node-datachannel'])(
    `lose none of ${count}, in order, over %s`,
    async name => {
      start(busy)
      start(busy)
      const receiver = start(end, 'receiver', String(count), name)
      await messageOf(receiver, 'ready')
      const sender = start(end, 'sender', String(count), name)
      const startedAt = performance.now()
      const relay = (from: ChildProcess, to: ChildProcess): void => {
        from.on('message', (message: LosslessMessage) => {
          if (message.type === 'signal') to.send(message)
        })
      }
      relay(sender, receiver)
      relay(receiver, sender)
      const [{ received, firstWrong }, { mostAheadBytes }] = await Promise.all([
        messageOf(receiver, 'received'),
        messageOf(sender, 'sent'),
      ])
      const seconds = (performance.now() - startedAt) / 1000
      process.stderr.write(
        `${name}: ${received} messages of ${messageBytes} bytes, none lost, at most ${mostAheadBytes} bytes ahead, ` +
          `${((received * messageBytes) / 1e6 / seconds).toFixed(1)} MB/s beside two busy processes\n`,
      )
      expect({ received, firstWrong }).toEqual({ received: count, firstWrong: -1 })
      expect(mostAheadBytes).toBeLessThanOrEqual(mostBytesAhead)
      expect(mostAheadBytes).toBeGreaterThan(0)
    },
    limitMs,
  )
})
