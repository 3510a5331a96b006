#!/usr/bin/env node
import { toFailure } from './failure.js'
import { processIo } from './process-io.js'
import { run } from './program.js'

/** What keeps a process alive after its work (a WebRTC thread, a browser's keep-alive) gets this long to end by itself. */
const lingerLimitMs = 3_000

function crash(error: unknown): void {
  // One sentence, no stack: the same that the commands print.
  process.stderr.write(`error: ${toFailure(error).message.replace(/\p{Cc}/gu, ' ')}\n`)
  process.exit(1)
}

process.on('uncaughtException', crash)
process.exitCode = await run(process.argv.slice(2), processIo())
setTimeout(() => process.exit(), lingerLimitMs).unref()
