import { defer, map, type Observable } from 'rxjs'
import { LighthouseError } from '../../../protocol/errors.js'
import type { LedgerHead } from '../../../protocol/signaling/signal.js'
import { headText } from '../../../protocol/signaling/signed-texts.js'
import { type BlockHash, type ChainState, emptyChain, verifyNext } from '../../protocol/settlement/ledger.js'
import type { HubStore } from '../../ports/store.js'
import type { HubContext } from '../signaling/context.js'

/** The ledger's head as the hub vouches for it, or null while the ledger is empty. */
export async function signedHead(context: Pick<HubContext, 'store' | 'keys' | 'crypto'>): Promise<LedgerHead | null> {
  const { store, keys, crypto } = context
  const head = await store.head()
  return head === undefined ? null : { ...head, signature: crypto.sign(keys.privKey, headText(head.seq, head.hash)) }
}

/** How many blocks are looked at when the hub opens. */
const checkedBlocks = 2

async function headProblem(store: HubStore, hash: BlockHash): Promise<string | undefined> {
  const head = await store.head()
  if (head === undefined) return undefined
  const before = Math.max(0, head.seq - checkedBlocks)
  const lines = await store.blocksAfter(before, checkedBlocks)
  let chain: ChainState = before === 0 ? emptyChain : { seq: before, hash: lines[0]?.prev_hash ?? '' }
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
  return defer(() => headProblem(store, hash)).pipe(
    map(problem => {
      if (problem === undefined) return store
      throw new LighthouseError(
        'store-failed',
        `The ledger is damaged: ${problem}. Restore the database from a backup.`,
      )
    }),
  )
}
