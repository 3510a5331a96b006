/**
 * A peer's store in a process of its own, for the spec that kills it: `node receipt-store.process.js PATH FIRST` keeps
 * receipts, settlements and debts from number FIRST on and prints each number when all three were kept. With `hold` for
 * FIRST it opens the store and keeps no reference to it, says `open` when garbage has been collected, and stays; that needs
 * `--expose-gc`.
 */
import { writeSync } from 'node:fs'
import { receiptStore$ } from '../../../src/adapters/store/receipts/receipt-store.node.js'
import { collectGarbage } from '../../support/garbage.node.js'
import { key, receipt, self, settlement } from '../../support/receipts.js'

const [, , path = '', first = ''] = process.argv

receiptStore$(path, self).subscribe(store => {
  if (first === 'hold') {
    setInterval(() => undefined, 60_000)
    void collectGarbage().then(() => writeSync(1, 'open\n'))
    return
  }
  for (let number = Number(first); ; number++) {
    store.keep(receipt('bought', number * 10, { seeder: key('B') }))
    store.keep(receipt(`sold ${number}`, number * 10, { consumer: key('C') }))
    store.settle(settlement(`sold ${number}`, 7, number))
    store.serve(key('C'), number * 10, 0)
    writeSync(1, `${number}\n`)
  }
})
