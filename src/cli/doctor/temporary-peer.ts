import { defer, map, type Observable, of, switchMap } from 'rxjs'
import { receiptStore$, receiptsPath } from '../../adapters/store/receipts/receipt-store.node.js'
import { openTrustFile } from '../../adapters/store/trust-file.node.js'
import { hubUrl, type Identity } from '../../protocol/peer/metadata.js'
import type { ReceiptStore } from '../../ports/receipts.js'
import { usingValue$ } from '../../streams/using-value.js'
import type { EngineName, Io } from '../io.js'
import type { PeerAt } from './peer-at.js'

export interface TemporaryPeerOptions {
  readonly home: string
  readonly identity: Identity
  readonly engine: EngineName
  readonly relayOnly: boolean
  /** Whether it will pay somebody: what it signs then is kept in the home. */
  readonly pays: boolean
}

/**
 * A peer of this home that lives while subscribed, on ports that the system chooses. It shares nothing, and signs in only where no
 * peer with its key is signed in. Emits once where it is; errors where another process has the receipts of the home, if it needs them.
 */
export function temporaryPeer$(io: Io, options: TemporaryPeerOptions): Observable<PeerAt> {
  const { home, identity, engine, relayOnly, pays } = options
  const store$: Observable<ReceiptStore | undefined> = pays
    ? receiptStore$(receiptsPath(home), identity.pubKey)
    : of(undefined)
  const started = async () => {
    const [{ createPeer$, portBlock }, { transport }] = await Promise.all([io.parts.peer(), io.parts.doctor()])
    const rtc = engine === 'auto' ? undefined : await io.parts.loadRtc(engine)
    return (receipts: ReceiptStore | undefined) =>
      createPeer$({
        identity,
        ports: portBlock(0),
        trust: openTrustFile(home),
        transport: transport(hubUrl(identity.host)),
        relayOnly,
        ...(rtc && { rtc }),
        ...(receipts && { receipts }),
      })
  }
  return defer(started).pipe(
    switchMap(start => usingValue$(store$, start)),
    map(({ addresses, controlToken }) => ({ url: addresses.proxy, controlToken })),
  )
}
