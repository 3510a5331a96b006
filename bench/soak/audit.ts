/** Whether every coin is where it belongs. */
import { setTimeout as wait } from 'node:timers/promises'
import { homeOf, type Programs, type Restartable } from './programs.js'

/** What each peer is granted when it registers. */
export const grantedCoins = 1_000_000

export interface Audited {
  readonly hubUrl: string
  /** All that are registered, running. */
  readonly peers: readonly Restartable[]
  readonly folder: string
  /** What arrived at the readers, but for what they were reading when they were ended. */
  readonly readBytes: number
}

/** What was paid for may differ by so much from what was read: answers' heads, and what was lost with a connection. */
const payTolerance = 0.03

/** What five readers had begun and not ended, in coins. */
const unendedCoins = 100

interface Ledger {
  readonly blocks: number
  readonly granted: string
  readonly moved: string
}

/** Waits until no more coins move, and says what is wrong with the ledger. */
export async function auditLedger(
  programs: Programs,
  { hubUrl, peers, folder, readBytes }: Audited,
): Promise<readonly string[]> {
  const problems: string[] = []
  const verify = async (peer: Restartable | undefined, ...more: readonly string[]): Promise<Ledger | undefined> => {
    const argv = ['ledger', 'verify', hubUrl, '--json', ...more]
    const { code, lines, err } = await programs.run(peer?.host, ...argv)
    if (code !== 0) problems.push(`${argv.join(' ')}: ${code} ${JSON.stringify(lines)} ${err}`)
    return lines.find(line => 'verified' in line)?.['verified'] as Ledger | undefined
  }
  let moved: string | undefined
  for (let same = 0, tries = 0; same < 3 && tries < 30; tries++) {
    await wait(2_000)
    const before = moved
    moved = (await verify(undefined, '--fast'))?.moved
    same = moved === before ? same + 1 : 0
  }
  const ledger = await verify(undefined)
  const granted = peers.length * grantedCoins
  if (Number(ledger?.granted) !== granted) problems.push(`${ledger?.granted} coins were granted, not ${granted}`)
  let heldBytes = 0
  for (const peer of peers) {
    const home = homeOf(folder, peer.name)
    await verify(peer, '--mine', '--home', home)
    const { lines } = await programs.run(peer.host, 'coins', '--json', '--home', home)
    heldBytes += Number(lines[0]?.['bytes'])
  }
  if (heldBytes !== granted * 1e6)
    problems.push(`the wallets hold ${heldBytes / 1e6} coins, not the ${granted} that were granted`)
  const [paid, read] = [Number(ledger?.moved), readBytes / 1e6]
  if (!(paid >= read * (1 - payTolerance) && paid <= read * (1 + payTolerance) + unendedCoins)) {
    problems.push(`${paid} coins were paid for ${read} MB`)
  }
  process.stdout.write(`\nLedger: ${ledger?.blocks} blocks, ${ledger?.moved} coins moved, ${read.toFixed(0)} MB read\n`)
  return problems
}
