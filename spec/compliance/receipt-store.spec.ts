import { receiptStore$, receiptsPath } from '../../src/adapters/store/receipts/receipt-store.node.js'
import { temporaryFolders } from '../cli/support/temporary.js'
import { self } from '../support/receipts.js'
import { describeReceiptStore } from './receipt-store.js'

const folder = temporaryFolders()

describeReceiptStore('SQLite in memory', now => receiptStore$(':memory:', self, { now }))
describeReceiptStore('A SQLite file', now => receiptStore$(receiptsPath(folder()), self, { now }))
