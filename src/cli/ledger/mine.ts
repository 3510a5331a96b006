import { blockHash } from '../../hub/adapters/store/block-hash.js'
import type { LedgerEntry } from '../../protocol/ledger/ledger-line.js'
import type { Context } from '../commands/context.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { CommandFailure } from '../failure.js'
import { Findings } from './findings.js'
import { otherHub, type Own, type OwnMine, reportFindings } from './own.js'
import { count, remarksOn, reportVerdict } from './report.js'
import type { LedgerSource } from './source.js'
import { verifyLedger, type VerifyOptions } from './verify.js'

/** What of the heads that a home keeps could be compared with a ledger that ends with this block. */
export function headRemarks({ heads }: Own, seq: number): readonly string[] {
  return [
    ...(heads.count === 0 ? [] : [`It fits ${count(heads.count, 'head')} that this home keeps.`]),
    ...(heads.end(seq) === undefined ? [] : [`It ends before block ${heads.newestSeq}, whose head this home keeps.`]),
  ]
}

/** Receipts show which hub a file belongs to. Throws `usage` for another hub's, if its block is valid. */
function checkReceipt(source: LedgerSource, own: Own, { receipt, ...entry }: LedgerEntry): void {
  if (receipt === null || own.hubKey === undefined || receipt.hub_key === own.hubKey) return
  if (blockHash({ ...entry, receipt }) !== entry.hash) return
  throw new CommandFailure('usage', otherHub(source.name, receipt.hub_key, own.hubKey, own))
}

function mineRemarks({ kind }: LedgerSource, { lines, others }: OwnMine): readonly string[] {
  const remarks: string[] = []
  if (others > 0) remarks.push(`Not compared: ${count(others, 'settlement')} signed by another hub.`)
  if (kind !== 'hub' && lines.beyond > 0) {
    remarks.push(`Not compared: ${count(lines.beyond, 'settlement')} of blocks after its end.`)
  }
  if (lines.unknown > 0) {
    remarks.push(
      `${count(lines.unknown, 'line')} with your signature for which this home has no receipt: was it restored from a backup?`,
    )
  }
  return remarks
}

/** What `ledger verify --mine` does: every line that is about the home's owner, also behind a block that is wrong. */
export async function verifyMine(
  context: Context,
  options: VerifyOptions,
  opened: LedgerSource,
  own: Own,
  mine: OwnMine,
): Promise<ExitCode> {
  const source = { ...opened, hubKey: opened.hubKey ?? own.hubKey }
  const isCopy = source.kind !== 'hub'
  const findings = new Findings()
  let isNamed = opened.hubKey !== undefined
  const observe = (entry: LedgerEntry): void => {
    if (!isNamed) checkReceipt(source, own, entry)
    isNamed ||= entry.receipt !== null && (own.hubKey ?? entry.receipt.hub_key) === entry.receipt.hub_key
    findings.add(mine.lines.step(entry))
    const head = own.heads.step(entry)
    if (head !== undefined) findings.add([head])
  }
  const verdict = await verifyLedger(source, { ...options, observe })
  const { audit, problem } = verdict
  const end = isCopy ? undefined : own.heads.end(mine.lines.seq)
  findings.add([...mine.lines.end(isCopy), ...(end === undefined ? [] : [end])])
  if (findings.count > 0 && !isNamed && own.heads.count + mine.lines.kept === 0) {
    throw new CommandFailure('usage', `${source.name} does not name its hub, and does not match what you hold`)
  }
  const files = reportFindings(context, own.hubKey ?? audit.hubKey ?? '', findings)
  if (problem !== undefined || findings.count > 0) {
    const [first] = findings.first
    const about = first === undefined ? '' : `${count(findings.count, 'finding')} about you: ${first.message}. `
    const where = files.length === 0 ? '' : `The evidence is in ${files.join(', ')}. `
    return context.output.fail({ code: 'ledger-broken', message: `${about}${where}${problem ?? ''}` })
  }
  const remarks = [...remarksOn(source, verdict), ...headRemarks(own, audit.seq), ...mineRemarks(source, mine)]
  reportVerdict(context, source, verdict, options.signatures, remarks)
  const { lines, settlements, others } = mine
  const compared = settlements - (isCopy ? lines.beyond : 0)
  context.output.result(
    { mine: { lines: lines.count, settlements: compared, notCompared: others + settlements - compared } },
    `${count(lines.count, 'line')} about you, and ${count(compared, 'settlement')} that you hold: all as signed.`,
  )
  return exitCodes.done
}
