import { concatMap, defer, type Observable, of } from 'rxjs'
import { LighthouseError } from '../../protocol/errors.js'
import type { LedgerHead } from '../../protocol/signal.js'
import { headText } from '../../protocol/signed-texts.js'
import { type BlockHash, type ChainState, emptyChain, verifyNext } from '../protocol/ledger.js'
import type { HubStore, KeyPair } from '../ports.js'

/** The ledger's head as the hub vouches for it, or null while the ledger is empty. */
export async function signedHead(
  store: HubStore,
  keys: KeyPair,
  sign: (privKey: string, text: string) => string,
): Promise<LedgerHead | null> {
  const head = await store.head()
  return head === undefined ? null : { ...head, signature: sign(keys.privKey, headText(head.seq, head.hash)) }
}

function headProblem(
  head: ChainState,
  lines: Awaited<ReturnType<HubStore['blocksAfter']>>,
  hash: BlockHash,
): string | undefined {
  const first = lines[0]
  let chain: ChainState =
    first === undefined || first.seq === 1 ? emptyChain : { seq: first.seq - 1, hash: first.prev_hash }
  for (const line of lines) {
    const step = verifyNext(chain, line, hash)
    if ('problem' in step) return step.problem
    chain = step.chain
  }
  return chain.seq === head.seq && chain.hash === head.hash ? undefined : 'the newest block is missing'
}

/**
 * Looks at the last two blocks before the hub opens: a file that a disk or a hand has changed there is refused with
 * `store-failed`. Emits the store and completes. The whole chain is for whoever fetches it to verify.
 */
export function checkLedgerHead$(store: HubStore, hash: BlockHash): Observable<HubStore> {
  return defer(() => store.head()).pipe(
    concatMap(async head =>
      head === undefined ? undefined : headProblem(head, await store.blocksAfter(Math.max(0, head.seq - 2), 2), hash),
    ),
    concatMap(problem => {
      if (problem === undefined) return of(store)
      throw new LighthouseError(
        'store-failed',
        `The ledger is damaged: ${problem}. Restore the database from a backup.`,
      )
    }),
  )
}
