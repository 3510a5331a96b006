import { tmpdir } from 'node:os'
import { startCli } from '../../support/cluster.node.js'

/** How many blocks `ledger verify` of the command line finds right. Rejects with what it says when something is wrong. */
export async function verifiedBlocks(source: string): Promise<number> {
  const program = startCli(['ledger', 'verify', source, '--json'], tmpdir())
  const { verified } = await program.line(line => line['verified'] !== undefined)
  const { code, err } = await program.ended
  if (code !== 0) throw new Error(`ledger verify ${source} ended with ${code}: ${err}`)
  return (verified as { readonly blocks: number }).blocks
}

/** That every line about the peer of this home fits its receipts. Rejects with what `ledger verify --mine` says when one does not. */
export async function mustFitReceipts(home: string): Promise<void> {
  const program = startCli(['ledger', 'verify', '--mine', '--json', '--home', home], home)
  const { code, err } = await program.ended
  if (code !== 0) throw new Error(`ledger verify --mine ended with ${code}: ${err}`)
}
