/**
 * A hub's store in a process of its own, for the spec of its lock: `node --expose-gc sqlite-store.process.js PATH` opens it
 * and keeps no reference to it, says `open` when garbage has been collected, and stays.
 */
import { blockHash } from '../../../../src/hub/adapters/store/block-hash.js'
import { sqliteStore$ } from '../../../../src/hub/adapters/store/sqlite-store.js'
import { collectGarbage } from '../../../support/garbage.node.js'

const [, , path = ''] = process.argv

sqliteStore$(path, blockHash, console).subscribe(() => {
  setInterval(() => undefined, 60_000)
  void collectGarbage().then(() => process.stdout.write('open\n'))
})
