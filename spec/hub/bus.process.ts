/** A process of a hub, reduced to its bus: holds a session of one key until it is killed. `REDIS_URL HUB_KEY PUB_KEY` */
import { redisBus$ } from './redis-bus.js'

const [, , url = '', hubKey = '', pubKey = ''] = process.argv
// Ends with its parent, however that ends.
process.once('disconnect', () => process.exit())

redisBus$(url, hubKey, `process-${process.pid}`).subscribe(bus => {
  void bus
    .enter(pubKey, { send: () => true, replace: () => process.send?.('replaced') })
    .then(() => process.send?.('ready'))
})
