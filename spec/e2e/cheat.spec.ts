/**
 * A consumer over WebRTC whose receipts are worth nothing, at a seeder's process that is killed in between: counts what it
 * gets. The same over a thousand tries, with every way of cheating, is in spec/streams/cheating.spec.ts.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { EMPTY, filter, firstValueFrom, lastValueFrom, map, ReplaySubject } from 'rxjs'
import { nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import { socketIoTransport } from '../../src/adapters/hub/socket-io.client.js'
import { createPeer$, type Peer, portBlock } from '../../src/index.js'
import type { CryptoPort, SignalTransport } from '../../src/ports.js'
import { isLighthouseError } from '../../src/protocol/errors.js'
import { type Identity, parseMetadata } from '../../src/protocol/peer/metadata.js'
import { receiptText } from '../../src/protocol/signaling/signed-texts.js'
import { clusters } from '../support/cluster.node.js'
import { writePattern } from '../support/transfer.node.js'

const startCluster = clusters()
const megabyte = 1_000_000

const firstLine = (text: string): string => text.slice(0, text.indexOf('\n'))
const receiptLine = firstLine(receiptText({ hub_key: '', session: '', seeder: '', consumer: '', bytes: 1 }))

/** Signs receipts with a key of nobody, and everything else as it should. */
function forgingCrypto(): CryptoPort {
  const { privKey } = nodeCrypto.generateKeyPair()
  const keyFor = (own: string, text: string): string => (firstLine(text) === receiptLine ? privKey : own)
  return { ...nodeCrypto, sign: (own, text) => nodeCrypto.sign(keyFor(own, text), text) }
}

/** Brings the hub no receipt. */
function silentTransport(url: string): SignalTransport {
  const { connect$ } = socketIoTransport(url)
  return {
    connect$: pubKey =>
      connect$(pubKey).pipe(
        map(event =>
          event.type === 'authenticated'
            ? { ...event, connection: { ...event.connection, settle$: () => EMPTY } }
            : event,
        ),
      ),
  }
}

/** Every byte that the seeder's side says about the film, headers included, until the connection is over. */
function takeFilm(port: number): Promise<number> {
  return new Promise(resolve => {
    let received = 0
    const socket = connect(port, '127.0.0.1', () =>
      // Behind an empty line, which servers skip: the tunnel does not take it for HTTP, and carries the very bytes.
      socket.write(`\r\nGET /film.bin HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`),
    )
    socket.on('data', chunk => (received += chunk.length))
    // A reset is an end too.
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(received))
  })
}

/** All that the cheater gets on one connection after the other, until it is told that it owes. */
async function takeAll(identity: Identity): Promise<number> {
  const peer$ = new ReplaySubject<Peer>(1)
  const options = { identity, ports: portBlock(0), crypto: forgingCrypto(), transport: silentTransport(identity.host) }
  const subscription = createPeer$(options).subscribe(peer$)
  let received = 0
  try {
    const peer = await firstValueFrom(peer$)
    await firstValueFrom(peer.state$.pipe(filter(({ type }) => type === 'authenticated')))
    for (;;) {
      const { port } = await lastValueFrom(peer.connect$('bob'))
      received += await takeFilm(port)
    }
  } catch (error) {
    if (!isLighthouseError(error, 'peer-refused')) throw error
    expect(error.message).toContain('coins are owed here')
    return received
  } finally {
    subscription.unsubscribe()
  }
}

it('gets a megabyte, and nothing of a seeder that was killed and started again', async () => {
  const { folder, register, up, stop } = await startCluster({})
  const share = join(folder, 'share')
  mkdirSync(share)
  writePattern(join(share, 'film.bin'), 8 * megabyte)
  const [home] = [await register('mallory'), await register('bob')]
  const identity = parseMetadata(readFileSync(join(home, 'metadata.json'), 'utf8'))
  const bob = await up('bob', { share })
  const first = await takeAll(identity)
  expect(first).toBeGreaterThan(0)
  expect(first).toBeLessThanOrEqual(megabyte)
  await bob.program.kill()
  await up('bob', { share })
  expect(await takeAll(identity)).toBe(0)
  await stop()
})
