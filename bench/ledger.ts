/** `lighthouse-peer ledger verify`, the command itself, over a generated file: blocks a second, and what it holds meanwhile. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodeCrypto } from '../src/adapters/crypto/crypto.node.js'
import { blockHash } from '../src/hub/adapters/store/block-hash.js'
import { type LedgerEntry, ledgerLineText } from '../src/protocol/ledger/ledger-line.js'
import { receiptText } from '../src/protocol/signaling/signed-texts.js'
import { type Spread, spread } from './figures.js'

export interface LedgerExtent {
  readonly rounds: number
  readonly blocks: number
  /** Of the ledger whose receipts are really signed. */
  readonly signedBlocks: number
}

export interface LedgerResult {
  readonly blocks: number
  readonly signatures: boolean
  /** Of the whole command, the start of Node included. */
  readonly blocksPerSecond: Spread
  /** Highest resident set; undefined where the system does not tell. */
  readonly peakBytes: number | undefined
}

/** People of the community, each with a grant. */
const people = 1_000

/** Receipts of one session, a megabyte apart. */
const receiptsPerSession = 10

/** A million coins: nobody runs out. */
const grantBytes = 10 ** 12

/** Lines written at once. */
const writtenLines = 1_000

/** Where signatures are left out, any of the right length will do. */
const anySignature = Buffer.alloc(64).toString('base64')

/** Often enough for the last look to be near the end; the system remembers the highest by itself. */
const lookMs = 20

const command = fileURLToPath(new URL('../src/cli/main.js', import.meta.url))

type Unchained = Pick<LedgerEntry, 'kind' | 'from' | 'to' | 'bytes' | 'receipt'>

/** Writes a ledger as `ledger export` does. */
function writeLedger(path: string, blocks: number, isSigned: boolean): void {
  const { pubKey: hub_key } = nodeCrypto.generateKeyPair()
  const keys = Array.from({ length: people }, nodeCrypto.generateKeyPair)
  let session = ''
  const transfer = (index: number): Unchained => {
    const turn = Math.floor(index / receiptsPerSession)
    const count = (index % receiptsPerSession) + 1
    if (count === 1) session = nodeCrypto.randomId(16)
    const { pubKey: from, privKey } = keys[turn % people]!
    const to = keys[(turn + 1) % people]!.pubKey
    const receipt = { hub_key, session, seeder: to, consumer: from, bytes: count * 1_000_000 }
    const signature = isSigned ? nodeCrypto.sign(privKey, receiptText(receipt)) : anySignature
    return { kind: 'transfer', from, to, bytes: 1_000_000, receipt: { ...receipt, signature } }
  }
  const file = openSync(path, 'wx')
  let prev_hash = '0'.repeat(128)
  let lines: string[] = []
  for (let seq = 1; seq <= blocks; seq++) {
    const block: Unchained =
      seq <= people
        ? { kind: 'grant', from: null, to: keys[seq - 1]!.pubKey, bytes: grantBytes, receipt: null }
        : transfer(seq - people - 1)
    const entry = { seq, prev_hash, time: 1_764_000_000_000 + seq * 1000, ...block, hash: '' }
    prev_hash = blockHash(entry)
    lines.push(`${ledgerLineText({ ...entry, hash: prev_hash })}\n`)
    if (lines.length === writtenLines || seq === blocks) {
      writeSync(file, lines.join(''))
      lines = []
    }
  }
  closeSync(file)
}

function peakOf(pid: number): number | undefined {
  try {
    const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024
  } catch {
    // No such files on this system, or the process is gone: what was seen before counts.
    return undefined
  }
}

interface Verified {
  readonly milliseconds: number
  readonly peakBytes: number | undefined
}

async function verify(path: string, blocks: number, options: readonly string[]): Promise<Verified> {
  const start = performance.now()
  const child = spawn(process.execPath, [command, 'ledger', 'verify', path, '--json', ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  let peakBytes: number | undefined
  const look = setInterval(() => {
    peakBytes = peakOf(child.pid!) ?? peakBytes
  }, lookMs)
  const [code] = (await once(child, 'close')) as [number | null]
  clearInterval(look)
  const milliseconds = performance.now() - start
  if (code !== 0 || !output.includes(`"blocks":${blocks},`)) throw new Error(`the ledger was not verified: ${output}`)
  return { milliseconds, peakBytes }
}

export async function measureLedger({ rounds, blocks, signedBlocks }: LedgerExtent): Promise<readonly LedgerResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'lighthouse-bench-'))
  try {
    const [long, signed] = [join(folder, 'long.ndjson'), join(folder, 'signed.ndjson')]
    writeLedger(long, blocks, false)
    writeLedger(signed, signedBlocks, true)
    const measured = async (path: string, count: number, signatures: boolean): Promise<LedgerResult> => {
      const runs: Verified[] = []
      for (let round = 0; round < rounds; round++) runs.push(await verify(path, count, signatures ? [] : ['--fast']))
      const peaks = runs.map(({ peakBytes }) => peakBytes).filter(peak => peak !== undefined)
      return {
        ...{ blocks: count, signatures },
        blocksPerSecond: spread(runs.map(({ milliseconds }) => (count / milliseconds) * 1000)),
        peakBytes: peaks.length === 0 ? undefined : Math.max(...peaks),
      }
    }
    return [
      await measured(long, blocks, false),
      // The same over fewer: memory must hardly depend on how many there are.
      await measured(signed, signedBlocks, false),
      await measured(signed, signedBlocks, true),
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
