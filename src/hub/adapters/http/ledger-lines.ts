import { ledgerLineText } from '../../../protocol/ledger/ledger-line.js'
import type { HubStore } from '../../ports/store.js'

/** Blocks read at once. About 150 KiB of text, which is what a slow reader makes the hub hold. */
const pageBlocks = 256

/** The ledger after a block as newline-delimited JSON, a page at a time: the next one is read when the last one is taken. */
export async function* ledgerLines(store: HubStore, after: number): AsyncGenerator<string> {
  let seq = after
  for (;;) {
    const page = await store.blocksAfter(seq, pageBlocks)
    const last = page.at(-1)
    if (last === undefined) return
    yield page.map(line => `${ledgerLineText(line)}\n`).join('')
    seq = last.seq
  }
}
