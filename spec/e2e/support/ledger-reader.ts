/**
 * A hub's ledger as a reader who trusts nobody follows it: each block is held against the chain, the receipt in it, and
 * the wallets that came out of the blocks before.
 */
import { exhaustMap, filter, firstValueFrom, map, timer } from 'rxjs'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import { blockHash } from '../../../src/hub/adapters/store/block-hash.js'
import {
  type ChainState,
  emptyChain,
  type LedgerLine,
  verifyNext,
} from '../../../src/hub/protocol/settlement/ledger.js'
import { parseReceipt, type Settlement } from '../../../src/protocol/coins/receipt.js'
import { receiptText } from '../../../src/protocol/signaling/signed-texts.js'

/** How often a ledger is looked at that nobody tells of. */
const lookMs = 50

/** What a block of kind `transfer` settled. */
type Transfer = Pick<Settlement, 'session' | 'bytes' | 'hash'>

function add(sums: Map<string, number>, key: string, bytes: number): void {
  sums.set(key, (sums.get(key) ?? 0) + bytes)
}

/** Follows one ledger, over restarts of its hub and from whichever of its processes. Throws what is wrong with it. */
export class LedgerReader {
  readonly wallets = new Map<string, number>()
  /** Bytes by session. */
  readonly settled = new Map<string, number>()
  grantedBytes = 0
  #chain: ChainState = emptyChain
  readonly #transfers = new Map<number, Transfer>()

  /** The newest block's number. */
  get seq(): number {
    return this.#chain.seq
  }

  /** The sum of all transfers. */
  get transferredBytes(): number {
    return [...this.settled.values()].reduce((sum, bytes) => sum + bytes, 0)
  }

  /** Reads what is new. A block that was read before and has another hash now breaks the chain here. */
  async read(hubUrl: string): Promise<void> {
    const answer = await fetch(`${hubUrl}/v1/ledger?after=${this.seq}`)
    const text = await answer.text()
    if (answer.status !== 200) throw new Error(`the ledger answered ${answer.status}: ${text}`)
    for (const line of text.split('\n')) if (line !== '') this.#take(JSON.parse(line) as LedgerLine)
    const wallets = [...this.wallets.values()].reduce((sum, bytes) => sum + bytes, 0)
    if (wallets !== this.grantedBytes) throw new Error(`wallets hold ${wallets} of ${this.grantedBytes} granted bytes`)
  }

  /** Reads until so much has been transferred, and returns how much it is. The test's time limit bounds it. */
  async readUntil(hubUrl: string, bytes: number): Promise<number> {
    const look$ = timer(0, lookMs).pipe(
      exhaustMap(() => this.read(hubUrl)),
      map(() => this.transferredBytes),
    )
    return firstValueFrom(look$.pipe(filter(transferred => transferred >= bytes)))
  }

  #take(line: LedgerLine): void {
    const next = verifyNext(this.#chain, line, blockHash)
    if ('problem' in next) throw new Error(next.problem)
    this.#chain = next.chain
    if (line.kind === 'grant') {
      this.grantedBytes += line.bytes
      add(this.wallets, line.to, line.bytes)
    } else this.#pay(line)
  }

  #pay({ seq, hash, from, to, bytes, receipt: carried }: LedgerLine): void {
    const receipt = parseReceipt(carried)
    if (receipt === undefined || receipt.consumer !== from || receipt.seeder !== to) {
      throw new Error(`block ${seq} carries no receipt of its parties`)
    }
    const { session, consumer, signature } = receipt
    if (!nodeCrypto.verify(consumer, receiptText(receipt), signature)) throw new Error(`block ${seq} is not signed for`)
    const before = this.settled.get(session) ?? 0
    if (bytes < 1 || before + bytes !== receipt.bytes) {
      throw new Error(
        `block ${seq} moves ${bytes} bytes where ${before} were settled, and the receipt is over ${receipt.bytes}`,
      )
    }
    this.settled.set(session, receipt.bytes)
    add(this.wallets, consumer, -bytes)
    add(this.wallets, to, bytes)
    if (this.wallets.get(consumer)! < 0) throw new Error(`block ${seq} leaves a wallet below zero`)
    this.#transfers.set(seq, { session, bytes: receipt.bytes, hash })
  }

  /** Throws unless the ledger has what the hub told somebody. */
  mustHold({ seq, session, bytes, hash }: Settlement): void {
    const block = this.#transfers.get(seq)
    if (block?.session !== session || block.bytes !== bytes || block.hash !== hash) {
      throw new Error(
        `told ${JSON.stringify({ seq, session, bytes, hash })}, and the ledger has ${JSON.stringify(block)}`,
      )
    }
  }
}
