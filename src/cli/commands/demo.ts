import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  type Observable,
  defer,
  exhaustMap,
  filter,
  firstValueFrom,
  ignoreElements,
  lastValueFrom,
  merge,
  mergeMap,
  pairwise,
  startWith,
  takeUntil,
  tap,
  throwError,
  timeout,
  timer,
} from 'rxjs'
import { LighthouseError, isLighthouseError, toLighthouseError } from '../../protocol/errors.js'
import type { PeerStats } from '../../protocol/peer/stats.js'
import { askPeer, failureIn, readStats, unlessSilent } from '../control.js'
import { describeChanges } from '../demo/changes.js'
import { type ExitedProcess, type Message, ProcessGroup, type Program } from '../demo/process-group.js'
import { type DemoAddresses, demoLinks, demoScreen, pickFile } from '../demo/screen.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { CommandFailure } from '../failure.js'
import type { EngineName, Io } from '../io.js'
import { defaultPortBase } from '../../protocol/peer/port-block.js'
import { type EngineValues, maxPortBase } from '../options.js'
import { printable } from '../output.js'
import type { Context } from './context.js'

/** Options of `demo`. */
export type DemoValues = EngineValues

/** The hub's usual port; the next free one is taken when somebody has it, out of so many. */
const hubPort = 3000
const hubPorts = 20

/** From one peer's block of ports to the other's. */
const blockDistance = 100

/** How often the screen polls what alice carries. */
const pollMs = 1_000

/** From start to signed in; a busy machine needs a few seconds. */
const readyLimitMs = 30_000

const entry = fileURLToPath(new URL('../main.js', import.meta.url))
const media = fileURLToPath(new URL('../../../../media/', import.meta.url))

/** The children's environment: what the user set for a peer of their own is not meant for these. */
function childEnvironment(env: Io['env']): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('LIGHTHOUSE_')))
}

/** Throws `invalid-share`. */
function copyMedia(folder: string): void {
  try {
    cpSync(media, folder, { recursive: true })
  } catch (error) {
    throw toLighthouseError('invalid-share', error, 'the sample media cannot be copied')
  }
}

/** How a program reported its failure. */
function failureOf(messages: readonly Message[]): LighthouseError | undefined {
  return messages.map(({ error }) => failureIn(error)).find(failure => failure !== undefined)
}

function describeExit({ program, ending }: ExitedProcess): string {
  const last = program.errorLines().join(' | ')
  return `${program.name} ended (${ending})${last === '' ? '' : `; its last output: ${last}`}`
}

/** The first message of a type. Rejects when the program ends before, or says nothing of the kind for half a minute. */
async function firstMessage(
  program: Program,
  type: string,
  also: (message: Message) => boolean = () => true,
): Promise<Message> {
  const messages: Message[] = []
  const silent = new LighthouseError('connect-timeout', `${program.name} was not ready after ${readyLimitMs / 1000} s`)
  const message$ = program.message$.pipe(
    tap(message => messages.push(message)),
    filter(message => message.type === type && also(message)),
    timeout({ first: readyLimitMs, with: () => throwError(() => silent) }),
  )
  const found = await firstValueFrom(message$, { defaultValue: undefined })
  if (found !== undefined) return found
  throw failureOf(messages) ?? new CommandFailure('demo-failed', describeExit({ program, ending: await program.ended }))
}

async function startHub(group: ProcessGroup, home: string): Promise<{ readonly url: string; readonly moved: boolean }> {
  const attempt = async (port: number): Promise<string> => {
    const hub = group.start('hub', ['hub', '--home', home, '--host', '127.0.0.1', '--port', String(port), '--json'])
    const { url } = await firstMessage(hub, 'ready')
    group.watch(hub)
    return String(url)
  }
  for (let port = hubPort; ; port += 1) {
    try {
      return { url: await attempt(port), moved: port !== hubPort }
    } catch (error) {
      if (!isLighthouseError(error, 'port-in-use') || port === hubPort + hubPorts - 1) throw error
    }
  }
}

async function register(group: ProcessGroup, home: string, hub: string, nickname: string): Promise<void> {
  const args = ['register', '--home', home, '--hub', hub, '--nickname', nickname, '--json']
  const { ending, messages } = await group.run(`register ${nickname}`, args)
  const failure = failureOf(messages)
  if (failure !== undefined) throw failure
  if (!messages.some(({ registered }) => registered !== undefined)) {
    throw new CommandFailure('demo-failed', `${nickname} could not be registered (${ending})`)
  }
}

/** Starts a peer; resolves with its proxy's URL once it is signed in. */
async function startPeer(group: ProcessGroup, name: string, args: readonly string[]): Promise<string> {
  const peer = group.start(name, ['up', '--json', '--no-open', ...args])
  const ready = await firstMessage(peer, 'ready')
  await firstMessage(peer, 'hub', ({ state }) => (state as { type?: unknown } | undefined)?.type === 'authenticated')
  group.watch(peer)
  return new URL('/', String((ready.addresses as { proxy?: unknown }).proxy)).href
}

async function assemble(
  group: ProcessGroup,
  context: Context,
  home: string,
  engine: EngineName,
): Promise<DemoAddresses> {
  const { output, globals } = context
  const folder = join(home, 'bob-shares')
  const empty = join(home, 'alice-shares')
  const base = globals.portBase ?? defaultPortBase
  const bobBase = base === 0 ? 0 : base + blockDistance
  const common = ['--engine', engine]
  const homeOf = (name: string): string => join(home, name)
  output.notice('Starting a hub and two peers …')
  mkdirSync(empty)
  copyMedia(folder)
  const { url, moved } = await startHub(group, homeOf('hub'))
  if (moved) output.notice(`Port ${hubPort} is in use: the hub is at ${url}.`)
  await Promise.all([register(group, homeOf('alice'), url, 'alice'), register(group, homeOf('bob'), url, 'bob')])
  const [alice, bob] = await Promise.all([
    startPeer(group, 'alice', ['--home', homeOf('alice'), '--port-base', String(base), '--share', empty, ...common]),
    startPeer(group, 'bob', ['--home', homeOf('bob'), '--port-base', String(bobBase), '--share', folder, ...common]),
  ])
  return { hub: url, alice, bob, file: pickFile(readdirSync(folder)) }
}

/** One line for each change in alice's `/stats`. */
function followChanges$({ output }: Context, aliceHome: string): Observable<never> {
  return timer(0, pollMs).pipe(
    // A request without an answer is skipped: if alice is gone, her process has ended.
    exhaustMap(() => askPeer(aliceHome, 'GET', '/stats', readStats).catch(unlessSilent)),
    mergeMap(answer => (answer === undefined ? [] : [answer.value])),
    startWith(undefined),
    pairwise<PeerStats | undefined>(),
    tap(([before, now]) => {
      if (now === undefined) return
      for (const text of describeChanges(before, now)) output.result({ type: 'change', text }, `  ${printable(text)}`)
    }),
    ignoreElements(),
  )
}

function perform$(context: Context, group: ProcessGroup, home: string, engine: EngineName): Observable<never> {
  const { output } = context
  const lost$ = group.exited$.pipe(
    mergeMap(exited => throwError(() => new CommandFailure('demo-failed', describeExit(exited)))),
  )
  const shown$ = defer(() => assemble(group, context, home, engine)).pipe(
    mergeMap(addresses => {
      output.result(
        { type: 'ready', ...addresses, ...demoLinks(addresses) },
        demoScreen(addresses, text => output.bold(text)),
      )
      return followChanges$(context, join(home, 'alice'))
    }),
  )
  return merge(shown$, lost$)
}

/** `demo`: a hub and two peers in processes of their own, until Ctrl-C. */
export async function demoCommand(context: Context, { engine = 'auto' }: DemoValues): Promise<ExitCode> {
  const { io, output, globals } = context
  if ((globals.portBase ?? 0) > maxPortBase - blockDistance) {
    const rule = `it must be at most ${maxPortBase - blockDistance}, since bob's ports come ${blockDistance} after alice's`
    return output.fail({ code: 'invalid-option', message: `--port-base ${String(globals.portBase)}: ${rule}` })
  }
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'lighthouse-demo-')))
  const group = new ProcessGroup(entry, childEnvironment(io.env))
  try {
    await lastValueFrom(perform$(context, group, home, engine).pipe(takeUntil(io.interrupt$)), {
      defaultValue: undefined,
    })
    output.notice('Stopping …')
    return exitCodes.done
  } finally {
    await group.stop()
    rmSync(home, { recursive: true, force: true, maxRetries: 3 })
  }
}
