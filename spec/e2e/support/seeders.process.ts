/**
 * Many peers in one process, for specs that need more of them than a machine should run processes:
 * `fork(seeders.process.js, [hubUrl])`, then messages `{ start: nickname }` and `{ stop: nickname }`, each answered with
 * itself once it is done. Each peer shares a small web server: `/` says the nickname, `/hold` begins an answer and
 * never ends it.
 */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { filter, firstValueFrom, type Subscription, switchMap } from 'rxjs'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import { fetchHubClient } from '../../../src/adapters/hub/http-client.js'
import { createPeer$, portBlock } from '../../../src/index.js'
import type { Identity } from '../../../src/protocol/peer/metadata.js'
import { registerText } from '../../../src/protocol/signaling/signed-texts.js'

interface Seeder {
  readonly server: Server
  readonly subscription: Subscription
}

const hubUrl = process.argv[2]!
const hub = fetchHubClient(hubUrl)
const identities = new Map<string, Identity>()
const running = new Map<string, Seeder>()

async function identityOf(nickname: string): Promise<Identity> {
  const known = identities.get(nickname)
  if (known !== undefined) return known
  const { pubKey, privKey } = nodeCrypto.generateKeyPair()
  const signature = nodeCrypto.sign(privKey, registerText(nickname, pubKey))
  await firstValueFrom(hub.register$({ pubKey, nickname, signature }), { defaultValue: undefined })
  const identity = { pubKey, privKey, nickname, host: hubUrl }
  identities.set(nickname, identity)
  return identity
}

async function start(nickname: string): Promise<void> {
  const identity = await identityOf(nickname)
  const server = createServer((req, res) => {
    if (req.url !== '/hold') {
      res.end(nickname)
      return
    }
    // Ends where the connection ends: only a reset tells that there should have been more.
    res.useChunkedEncodingByDefault = false
    res.writeHead(200, { connection: 'close' }).write('the first bytes')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const peer$ = createPeer$({ identity, ports: portBlock(0), share: { type: 'tcp', host: '127.0.0.1', port } })
  await new Promise<void>((resolve, reject) => {
    const subscription = peer$
      .pipe(
        switchMap(({ state$ }) => state$),
        filter(({ type }) => type === 'authenticated'),
      )
      .subscribe({ next: () => resolve(), error: reject })
    running.set(nickname, { server, subscription })
  })
}

function stop(nickname: string): void {
  const seeder = running.get(nickname)
  running.delete(nickname)
  seeder?.subscription.unsubscribe()
  seeder?.server.close()
  seeder?.server.closeAllConnections()
}

async function obey(order: { readonly start?: string; readonly stop?: string }): Promise<void> {
  if (order.start !== undefined) await start(order.start)
  if (order.stop !== undefined) stop(order.stop)
  process.send!(order)
}

process.on('message', order => void obey(order as Parameters<typeof obey>[0]))
// Whoever started us is gone.
process.on('disconnect', () => process.exit())
