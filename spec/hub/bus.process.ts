/** A process of a hub, reduced to its bus: holds a session of one key until it is killed. `REDIS_URL HUB_KEY PUB_KEY` */
import { redisConnection$ } from '../../src/hub/adapters/bus/redis-connection.js'
import { sharedBus$ } from '../../src/hub/streams/bus/shared-bus.js'

const [, , url = '', hubKey = '', pubKey = ''] = process.argv
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
// Ends with its parent, however that ends.
process.once('disconnect', () => process.exit())

sharedBus$({
  connection$: redisConnection$(url),
  hubKey,
  processId: `process-${process.pid}`,
  logger: silent,
}).subscribe(bus => {
  void bus
    .enter(pubKey, { send: () => true, replace: () => process.send?.('replaced') })
    .then(() => process.send?.('ready'))
})
