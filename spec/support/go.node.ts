/** Programs in Go that specs need. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { madeOnce, runFolder } from './once.node.js'
import { findGo, GO_PATH } from './programs.node.js'

/** Builds the program in a folder, once for a run, offline, in GOPATH mode. Returns its path. */
export async function buildGo(name: string, sources: string): Promise<string> {
  const go = findGo()
  if (go === undefined) throw new Error(`${name} needs Go (Debian: golang-go)`)
  if (runFolder === undefined) throw new Error('Go programs are built in the folder of a run of specs')
  const offline = { GO111MODULE: 'off', GOPATH: GO_PATH, GOPROXY: 'off', GOTOOLCHAIN: 'local', GOFLAGS: '' }
  const home = process.env['HOME'] === undefined ? { GOCACHE: join(runFolder, 'go-cache') } : {}
  const env = { ...process.env, ...home, ...offline }
  return madeOnce(runFolder, name, async path => {
    await promisify(execFile)(go, ['build', '-o', path, '.'], { cwd: sources, env })
  })
}
