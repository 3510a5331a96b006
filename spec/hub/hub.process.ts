/**
 * A hub as a process of its own, for specs that kill it: `node hub.process.js sqlite:PATH` prints its address. With
 * `stop` it answers one request, stops the hub, and ends when nothing of it is left. It ends with its channel, if it has one.
 */
import { createHub$ } from '../../src/hub/app.js'

const [, , database = '', command] = process.argv
process.once('disconnect', () => process.exit())

const hub = createHub$({ port: 0, database }).subscribe(({ url }) => {
  process.stdout.write(`${url}\n`)
  if (command === 'stop') {
    void fetch(`${url}/v1/resolve/alice`).then(() => hub.unsubscribe())
  }
})
