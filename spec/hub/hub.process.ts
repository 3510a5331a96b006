/** A hub as a process of its own, for specs that kill it: `node hub.process.js sqlite:PATH` prints its address. */
import { createHub$ } from '../../src/hub/app.js'

createHub$({ port: 0, database: process.argv[2] ?? '' }).subscribe(({ url }) => process.stdout.write(`${url}\n`))
