/** Makes pairs of keys, as many as it is told, and says `done`; see crypto.node.spec.ts. */
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'

for (let made = 0; made < Number(process.argv[2]); made += 1) nodeCrypto.generateKeyPair()
process.stdout.write('done\n')
