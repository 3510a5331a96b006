import { beforeAll, expect, it } from '@jest/globals'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { pipeline } from 'node:stream'
import {
  asyncScheduler,
  BehaviorSubject,
  filter,
  firstValueFrom,
  map,
  NEVER,
  ReplaySubject,
  share,
  type Subscription,
} from 'rxjs'
import { nodeTcp } from '../../src/adapters/tcp/tcp.node.js'
import type { LighthouseError } from '../../src/protocol/errors.js'
import { session$, type SessionOptions } from '../../src/streams/mux/session.js'
import { describeIf, hasGoSmux } from '../support/requires.js'
import { connectGo } from './support/connect.js'
import { buildGoProgram, goBuildMs, type GoProgram, goReason, type GoSession } from './support/go-program.js'
import { pattern } from './support/pattern.js'
import { tcpChannel } from './support/tcp-channel.js'

const host = '127.0.0.1'
const sizes = [1, 4095, 4096, 4097, 65_536, 10_000_000]
/**
 * Version 1 cannot hold a sender back: a program that is 4 MiB behind it loses the stream, see limits.spec.ts. However slow
 * the machine is, it is never further behind than this.
 */
const behindBytes = 1_000_000
const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

interface Running {
  readonly go: GoSession
  /** Why the session ended. */
  readonly failure: Promise<LighthouseError>
  /** Resolves when no stream is open. */
  idle(): Promise<unknown>
}

describeIf(hasGoSmux(), goReason)('a session whose other side is xtaci/smux', () => {
  let program: GoProgram
  beforeAll(async () => {
    program = await buildGoProgram()
  }, goBuildMs)

  async function within(
    options: Pick<SessionOptions, 'role' | 'socket$' | 'dial'> & { readonly version: 1 | 2 },
    test: (running: Running) => Promise<void>,
  ): Promise<void> {
    const { version, ...rest } = options
    const goRole = options.role === 'client' ? 'server' : 'client'
    const { socket, go, stop } = await connectGo(program, { role: goRole, version })
    let subscription: Subscription | undefined
    const open$ = new BehaviorSubject(0)
    const failure = new Promise<LighthouseError>(resolve => {
      subscription = session$({
        ...rest,
        channel: tcpChannel(socket),
        agreement: { version, rst: false },
        roundTripMs$: NEVER,
        clock: performance,
        scheduler: asyncScheduler,
      }).subscribe({
        next: event => {
          if (event.type === 'streams') open$.next(event.open)
        },
        error: resolve,
      })
    })
    try {
      await test({ go, failure, idle: () => firstValueFrom(open$.pipe(filter(open => open === 0))) })
    } finally {
      subscription?.unsubscribe()
      await stop()
    }
  }

  /** A program that says what it hears. */
  async function withEcho(test: (port: number) => Promise<void>): Promise<void> {
    const echo = createServer({ allowHalfOpen: true }, socket => {
      pipeline(socket, socket, () => socket.destroy())
    }).listen(0, host)
    await once(echo, 'listening')
    try {
      await test((echo.address() as AddressInfo).port)
    } finally {
      echo.close()
      await once(echo, 'close')
    }
  }

  /** A listener whose connections become streams. */
  async function withListener(
    test: (port: number, socket$: SessionOptions['socket$']) => Promise<void>,
  ): Promise<void> {
    const event$ = nodeTcp.listen$({ port: 0, host }).pipe(share({ connector: () => new ReplaySubject() }))
    const socket$ = event$.pipe(
      filter(event => event.type === 'socket'),
      map(event => event.socket),
    )
    const subscription = event$.subscribe()
    try {
      const listening = await firstValueFrom(event$.pipe(filter(event => event.type === 'listening')))
      await test(listening.port, socket$)
    } finally {
      subscription.unsubscribe()
    }
  }

  /** Says it to the socket a step at a time, each when all before it has come back; what came back in all. */
  async function echoed(socket: Socket, said: Uint8Array, step: number): Promise<Uint8Array> {
    const parts: Buffer[] = []
    let [asked, heard] = [0, 0]
    const more = (): void => {
      socket.write(said.subarray(asked, asked + step))
      asked = Math.min(said.length, asked + step)
    }
    more()
    for await (const part of socket as AsyncIterable<Buffer>) {
      parts.push(part)
      heard += part.length
      if (heard < asked) continue
      // Version 2 of Go stops writing once our FIN has come and its window is full: we finish when all is back.
      if (asked < said.length) more()
      else socket.end()
    }
    return new Uint8Array(Buffer.concat(parts))
  }

  it.each([1, 2] as const)('lets Go reach a local program, several streams at once, version %i', version =>
    withEcho(port =>
      within(
        { role: 'server', version, socket$: NEVER, dial: () => nodeTcp.dial({ host, port }) },
        async ({ go, idle }) => {
          const exchange = async (size: number, index: number): Promise<void> => {
            const { stream } = await go.ask({ do: 'open' })
            const step = version === 1 ? behindBytes : size
            for (let done = 0; done < size; done += step) {
              const part = Math.min(step, size - done)
              const [wrote, read] = await Promise.all([
                go.ask({ do: 'write', stream, size: part, seed: index + 1 + done }),
                go.ask({ do: 'read', stream, size: part }),
              ])
              expect(wrote).toMatchObject({ bytes: part, error: '' })
              expect(read).toMatchObject({ bytes: part, sha256: wrote.sha256, error: '' })
            }
            await go.ask({ do: 'close', stream })
          }
          await Promise.all(sizes.map(exchange))
          expect(await go.ask({ do: 'churn', count: 200, size: 300 })).toMatchObject({ count: 200, error: '' })
          await idle()
        },
      ),
    ),
  )

  it.each([1, 2] as const)('lets local programs reach Go, several streams at once, version %i', version =>
    withListener((port, socket$) =>
      within({ role: 'client', version, socket$ }, async ({ go }) => {
        void go.ask({ do: 'echo' })
        const exchange = async (size: number, index: number): Promise<void> => {
          const said = pattern(index + 1, size)
          const socket = connect({ host, port, allowHalfOpen: true })
          const step = version === 1 ? behindBytes : size
          expect(hashOf(await echoed(socket, said, step))).toBe(hashOf(said))
        }
        await Promise.all(sizes.map(exchange))
      }),
    ),
  )

  it.each([1, 2] as const)('resets local programs when Go is gone in the middle, version %i', version =>
    withListener((port, socket$) =>
      within({ role: 'client', version, socket$ }, async ({ go, failure }) => {
        const socket = connect({ host, port, allowHalfOpen: true })
        socket.write(new Uint8Array(1000))
        const { stream } = await go.ask({ do: 'accept' })
        await go.ask({ do: 'write', stream, size: 1000, seed: 1 })
        await once(socket, 'data')
        const broken = once(socket, 'error')
        await go.ask({ do: 'shut' })
        // `once` of `error` resolves with it.
        const [error] = (await broken) as [NodeJS.ErrnoException]
        expect(error.code).toBe('ECONNRESET')
        expect((await failure).code).toBe('channel-closed')
      }),
    ),
  )
})
