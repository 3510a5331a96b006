import { receiptBook$, receiptsPath } from '../../src/adapters/receipt-book.node.js'
import { temporaryFolders } from '../cli/support/temporary.js'
import { self } from '../support/receipts.js'
import { describeReceiptBook } from './receipt-book.js'

const folder = temporaryFolders()

describeReceiptBook('SQLite in memory', now => receiptBook$(':memory:', self, { now }))
describeReceiptBook('A SQLite file', now => receiptBook$(receiptsPath(folder()), self, { now }))
