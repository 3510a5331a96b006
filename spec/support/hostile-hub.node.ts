import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Observable } from 'rxjs'
import { Server, type Socket } from 'socket.io'
import { nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import { formatCoins } from '../../src/protocol/coins/amount.js'
import { type LedgerEntry, ledgerLineText } from '../../src/protocol/ledger/ledger-line.js'
import { parseReceipt, type Settlement } from '../../src/protocol/coins/receipt.js'
import type { LedgerHead } from '../../src/protocol/signaling/signal.js'
import { authText, hubChallengeText, settledText } from '../../src/protocol/signaling/signed-texts.js'
import { type Keys, newKeys, SpecLedger } from './ledger.js'

/** What a signal is turned into on its way; undefined when it is swallowed. */
export type SignalTwist = (signal: Record<string, any>) => Record<string, any> | undefined

/** A hub that does what an honest one does, until a spec says otherwise. */
export interface HostileHub {
  readonly url: string
  readonly keys: Keys
  /** What it shows. A spec may put another one, or append to it. */
  ledger: SpecLedger
  /** Settlements are signed and acknowledged, and do not get into the ledger: another block takes their place. */
  dropsSettlements: boolean
  /** Its settlements are for a coin more than the receipts. */
  overcharges: boolean
  /** The head that it shows and sends; by default that of its ledger. */
  head: (() => LedgerHead | undefined) | undefined
  /** Swaps what peers say to each other, SDP and all. */
  twist: SignalTwist
  /** The key that it gives out for a nickname. */
  resolve: (nickname: string) => string | undefined
  /** Signed in, by public key. */
  readonly peers: ReadonlyMap<string, Socket>
}

function body(request: IncomingMessage): Promise<string> {
  return new Promise(resolve => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString())).on('end', () => resolve(text))
  })
}

/** One grant of this hub to itself, where a settlement should be. */
function instead(ledger: SpecLedger): LedgerEntry {
  return ledger.grant(newKeys().pubKey, 1)
}

/** Starts one on an ephemeral port of loopback; unsubscribing ends it with all its connections. */
export function hostileHub$(keys: Keys = newKeys()): Observable<HostileHub> {
  return new Observable(subscriber => {
    const names = new Map<string, string>()
    const peers = new Map<string, Socket>()
    const settledBytes = new Map<string, number>()
    const server = createServer((request, response) => void answer(request, response))
    const io = new Server(server)
    const hub: { -readonly [Name in keyof HostileHub]: HostileHub[Name] } = {
      url: '',
      keys,
      ledger: new SpecLedger(keys),
      dropsSettlements: false,
      overcharges: false,
      head: undefined,
      twist: signal => signal,
      resolve: nickname => names.get(nickname),
      peers,
    }
    const head = (): LedgerHead | null => {
      const shown = hub.head ?? (() => (hub.ledger.entries.length === 0 ? undefined : hub.ledger.head()))
      return shown() ?? null
    }
    const coins = (key: string): number =>
      hub.ledger.entries.reduce(
        (sum, { from, to, bytes }) => sum + (to === key ? bytes : 0) - (from === key ? bytes : 0),
        0,
      )

    async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
      const { pathname, searchParams } = new URL(request.url!, 'http://hub')
      if (pathname === '/v1/register') {
        const { nickname, pub_key: key } = JSON.parse(await body(request)) as { nickname: string; pub_key: string }
        names.set(nickname, key)
        hub.ledger.grant(key)
        response.writeHead(201).end('{}')
      } else if (pathname.startsWith('/v1/resolve/')) {
        const key = hub.resolve(pathname.slice('/v1/resolve/'.length))
        response.writeHead(key === undefined ? 404 : 200).end(key)
      } else if (pathname === '/v1/coins') response.end(formatCoins(coins(searchParams.get('pub_key')!)))
      else if (pathname === '/v1/health') {
        response.end(JSON.stringify({ status: 'ok', hub_key: keys.pubKey, head: head() }))
      } else {
        const lines = hub.ledger.entries.slice(Number(searchParams.get('after')))
        response.end(lines.map(entry => `${ledgerLineText(entry)}\n`).join(''))
      }
    }

    function settle(message: unknown, socket: Socket): { settled: Settlement } | { error: object } {
      const receipt = parseReceipt(message)
      if (receipt === undefined) return { error: { code: 'malformed', message: 'that is no receipt' } }
      const { session, bytes, consumer, seeder } = receipt
      const before = settledBytes.get(session) ?? 0
      settledBytes.set(session, bytes)
      const promised = hub.ledger.branch(hub.ledger.entries.length)
      const { seq, hash } = promised.transfer(receipt, before)
      if (hub.dropsSettlements) instead(hub.ledger)
      else hub.ledger.entries.push(promised.entries.at(-1)!)
      const settlementFor = (key: string): Settlement => {
        const said = {
          session,
          bytes: bytes + (hub.overcharges ? 1_000_000 : 0),
          coins: formatCoins(coins(key)),
          seq,
          hash,
        }
        return { ...said, signature: nodeCrypto.sign(keys.privKey, settledText(said)) }
      }
      for (const key of [consumer, seeder]) peers.get(key)?.emit('settled', settlementFor(key))
      return { settled: settlementFor((socket.data as { key: string }).key) }
    }

    io.on('connection', socket => {
      const { pub_key: key } = socket.handshake.auth as { pub_key: string }
      const challenge = nodeCrypto.randomId(256)
      const signature = nodeCrypto.sign(keys.privKey, hubChallengeText(challenge, key))
      socket.data = { key }
      socket.on('disconnect', () => peers.get(key) === socket && peers.delete(key))
      socket.emit('challenge', { challenge, hub_key: keys.pubKey, signature }, (response: string) => {
        if (!nodeCrypto.verify(key, authText(keys.pubKey, challenge), response)) return socket.disconnect()
        peers.set(key, socket)
        return socket.emit('authenticated', { coins: formatCoins(coins(key)), ice_servers: [], head: head() })
      })
      socket.on('receipt', (message: unknown, acknowledge: (ack: object) => void) =>
        acknowledge(settle(message, socket)),
      )
      socket.on('signal', (signal: Record<string, any>, acknowledge: (ack: object) => void) => {
        const twisted = hub.twist(signal)
        if (twisted !== undefined) peers.get(String(twisted.to))?.emit('signal', twisted)
        acknowledge({ delivered: true })
      })
    })
    server.listen(0, '127.0.0.1', () => {
      hub.url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
      subscriber.next(hub)
    })
    return () => {
      void io.close()
      server.closeAllConnections()
    }
  })
}
