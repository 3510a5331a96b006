import type { Evidence } from '../../protocol/ledger/evidence.js'

/** So many are kept, printed and written down; a hub that does more of them is caught already. */
const maxFindings = 1_000

/** What was found, of which the first thousand are kept and the rest is counted. */
export class Findings {
  readonly first: Evidence[] = []
  count = 0

  add(findings: Iterable<Evidence>): void {
    for (const finding of findings) {
      this.count += 1
      if (this.first.length < maxFindings) this.first.push(finding)
    }
  }
}
