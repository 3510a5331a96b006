/**
 * A consumer that signs in and connects as it should, and then puts on the data channel what a test tells it to: it has no
 * streams, windows or receipts of its own.
 */
import { filter, firstValueFrom, interval, map, share, Subject, Subscription } from 'rxjs'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import { fetchHubClient } from '../../../src/adapters/hub/http-client.js'
import { deframeBatch } from '../../../src/operators/deframe.js'
import { environmentOf } from '../../../src/peer-options.js'
import type { ByteChannel, RtcPort } from '../../../src/ports.js'
import { concat } from '../../../src/protocol/bytes.js'
import type { LighthouseError } from '../../../src/protocol/errors.js'
import { registerText } from '../../../src/protocol/signaling/signed-texts.js'
import { encodeFrames, type Frame, maxSentDataBytes, type MuxAgreement } from '../../../src/protocol/mux/frame.js'
import { offerConnection$ } from '../../../src/streams/signaling/connection.js'
import { signaling$ } from '../../../src/streams/signaling/signaling.js'

/** One open connection to a seeder. */
export interface RawConnection {
  /** The seeder's frames, hot. */
  readonly frame$: Subject<Frame>
  /** Puts frames on the wire in order, as soon as the channel takes them. Resolves when it has taken all. */
  say(frames: readonly Frame[]): Promise<void>
  /** Resolves with the reason once it is over. */
  readonly over: Promise<string>
  close(): void
}

export interface RawConsumer {
  readonly pubKey: string
  /** Rejects with the reason when there is no connection. */
  connect(nickname: string): Promise<RawConnection>
  close(): void
}

/** The frames of a stream on which this is said and nothing else. */
export function saying(streamId: number, text: string | Uint8Array): Frame[] {
  const bytes = Buffer.from(text)
  const frames: Frame[] = [{ command: 'syn', streamId }]
  for (let offset = 0; offset < bytes.length; offset += maxSentDataBytes) {
    frames.push({ command: 'psh', streamId, data: bytes.subarray(offset, offset + maxSentDataBytes) })
  }
  return frames
}

/** What goes in one message, about. */
const messageBytes = 64 * 1024

/** Sooner than a silent connection is given up. */
const nopMs = 1_000

function carry(channel: ByteChannel, agreement: MuxAgreement, subscription: Subscription): RawConnection {
  const frame$ = new Subject<Frame>()
  const drained$ = new Subject<void>()
  const over = new Promise<string>(resolve => {
    const end = (reason: string): void => {
      resolve(reason)
      drained$.complete()
      subscription.unsubscribe()
    }
    subscription.add(() => end('closed here'))
    subscription.add(
      channel.message$.pipe(deframeBatch(agreement)).subscribe({
        next: frames => frames.forEach(frame => frame$.next(frame)),
        error: ({ code }: LighthouseError) => end(code),
        complete: () => end('closed there'),
      }),
    )
  })
  let ahead = 0
  subscription.add(
    channel.drained$.subscribe(bytes => {
      ahead -= bytes
      drained$.next()
    }),
  )
  let last = Promise.resolve()
  const send = async (frames: readonly Frame[]): Promise<void> => {
    for (let index = 0; index < frames.length && !subscription.closed;) {
      const parts: Uint8Array[] = []
      for (let bytes = 0; index < frames.length && bytes < messageBytes; index++) {
        const part = encodeFrames([frames[index]!], agreement.version)
        parts.push(part)
        bytes += part.length
      }
      while (ahead >= channel.highWaterBytes && !subscription.closed) {
        await firstValueFrom(drained$, { defaultValue: undefined })
      }
      if (subscription.closed) return
      const message = concat(parts)
      ahead += message.length
      try {
        channel.send(message)
      } catch {
        // The seeder has closed it, which is what many of these tests are for; `over` tells.
        return
      }
    }
  }
  const say = (frames: readonly Frame[]): Promise<void> => (last = last.then(() => send(frames)))
  subscription.add(interval(nopMs).subscribe(() => void say([{ command: 'nop', streamId: 0 }])))
  return { frame$, say, over, close: () => subscription.unsubscribe() }
}

/** Registers the nickname with a fresh key and signs in. */
export async function rawConsumer(hubUrl: string, nickname: string, rtc: RtcPort): Promise<RawConsumer> {
  const keys = nodeCrypto.generateKeyPair()
  const signature = nodeCrypto.sign(keys.privKey, registerText(nickname, keys.pubKey))
  const registration = { pubKey: keys.pubKey, nickname, signature }
  await firstValueFrom(fetchHubClient(hubUrl).register$(registration), { defaultValue: undefined })
  const environment = environmentOf({ identity: { ...keys, nickname, host: hubUrl } }, rtc)
  const event$ = signaling$({ ...environment, random: Math.random }).pipe(share())
  const session = firstValueFrom(
    event$.pipe(
      map(event => (event.type === 'hub-connection' ? event.hub : undefined)),
      filter(hubConnection => hubConnection !== undefined),
    ),
  )
  const all = event$.subscribe()
  const hubConnection = await session
  const signal$ = event$.pipe(
    filter(event => event.type === 'signal'),
    map(({ signal }) => signal),
  )
  return {
    pubKey: keys.pubKey,
    connect: name =>
      new Promise((resolve, reject) => {
        const subscription = new Subscription()
        all.add(subscription)
        subscription.add(
          offerConnection$({ ...environment, hubConnection, signal$ }, name).subscribe(event => {
            if (event.type === 'open') resolve(carry(event.channel, event.agreement, subscription))
            if (event.type === 'closed') reject(event.reason)
          }),
        )
      }),
    close: () => all.unsubscribe(),
  }
}
