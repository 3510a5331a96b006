/** `npm run soak -- [options]`: hours of use in minutes, with faults, and whether everything was right at the end. */
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Line } from '../../spec/support/cli-program.node.js'
import { writePattern } from '../../spec/support/transfer.node.js'
import { auditLedger, grantedCoins } from './audit.js'
import { disturb } from './faults.js'
import { freePort, homeOf, type Programs, type Restartable, startPrograms } from './programs.js'
import type { Outcome, Reading, Task } from './reader.child.js'
import { judgeMemory, showOutcomes } from './report.js'
import { type Host, openWorld, type World } from './world.js'

const usage = `Runs a hub, seeders and a consumer with several readers, as processes of the command line, in the network lab where there can
be one, and lets things go wrong at random: programs killed and stopped, the hub away, networks cut and lossy, relays gone, more
peers than tunnels have ports. Ends with 1 when anything was not right.

  npm run soak -- [options]

  --minutes N  how long (default: 10)
  --seed N     which faults, and when (default: by chance; it is printed)
`

const film = { file: 'film.bin', bytes: 16_000_000 }
const clip = { file: 'clip.bin', bytes: 200_000 }

/** Together with the seeders more than tunnels have ports. */
const crowd = ['eve', 'fred', 'gina', 'hugo', 'ines', 'jack', 'kate', 'liam', 'mona']

const lookMs = 5_000

const isReady = ({ type }: Line): boolean => type === 'ready'
const isSignedIn = ({ type, state }: Line): boolean =>
  type === 'hub' && (state as { readonly type: string }).type === 'authenticated'

interface Scene {
  readonly hubUrl: string
  readonly hub: Restartable
  readonly seeders: readonly Restartable[]
  readonly consumer: Restartable
  readonly peers: readonly Restartable[]
}

async function openScene(world: World, programs: Programs, folder: string): Promise<Scene> {
  const share = join(folder, 'share')
  mkdirSync(share)
  for (const { file, bytes } of [film, clip]) writePattern(join(share, file), bytes)
  const port = world.obstacle === undefined ? 3000 : await freePort()
  const hubArgv = ['hub', '--json', '--port', String(port), '--home', homeOf(folder, 'hub'), ...world.hubOptions]
  const hub = programs.add('hub', undefined, [...hubArgv, '--initial-coins', String(grantedCoins)], isReady)
  await hub.start()
  const hubUrl = String((await hub.program().line(isReady)).url)

  const service = programs.fork('carol', './service.child.js')
  const [servicePort] = (await once(service, 'message')) as [number]
  const peerOf = async (nickname: string, host: Host, shared: string): Promise<Restartable> => {
    const home = homeOf(folder, nickname)
    const { code, err } = await programs.run(host, 'register', '--hub', hubUrl, '--nickname', nickname, '--home', home)
    if (code !== 0) throw new Error(`${nickname} could not be registered: ${err}`)
    const argv = ['up', '--json', '--no-open', '--port-base', '0', '--home', home, '--share', shared]
    const peer = programs.add(nickname, host, argv, isSignedIn)
    await peer.start()
    return peer
  }
  const seeders = [
    await peerOf('bob', 'bob', share),
    await peerOf('carol', 'carol', `127.0.0.1:${servicePort}`),
    await peerOf('dave', 'dave', share),
  ]
  const others = await Promise.all(crowd.map(nickname => peerOf(nickname, 'crowd', share)))
  const consumer = await peerOf('alice', 'alice', share)
  return { hubUrl, hub, seeders, consumer, peers: [...seeders, ...others, consumer] }
}

interface Readers {
  readonly outcomes: readonly Outcome[]
  stop(): Promise<void>
}

function startReaders(programs: Programs, proxy: string): Readers {
  const tasks: readonly Task[] = [
    { kind: 'film', nicknames: ['bob'], ...film },
    { kind: 'film', nicknames: ['bob', 'dave'], ...film },
    { kind: 'range', nicknames: ['bob', 'dave'], ...film },
    { kind: 'service', nicknames: ['carol'], ...film },
    { kind: 'rotation', nicknames: [...crowd, 'nobody', 'zoe'], ...clip },
  ]
  const outcomes: Outcome[] = []
  const readers = programs.fork('alice', './reader.child.js')
  readers.on('message', outcome => outcomes.push(outcome as Outcome))
  readers.send({ proxy, tasks } satisfies Reading)
  const stop = async (): Promise<void> => {
    const exit = once(readers, 'exit')
    readers.disconnect()
    await exit
  }
  return { outcomes, stop }
}

function watchMemory(targets: readonly Restartable[]): () => void {
  const look = (): void => {
    for (const target of targets) {
      // One that was killed is started again soon.
      try {
        process.kill(target.program().pid, 'SIGUSR2')
      } catch {
        continue
      }
    }
  }
  const timer = setInterval(look, lookMs)
  return () => clearInterval(timer)
}

async function soak(minutes: number, seed: number): Promise<readonly string[]> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lighthouse-soak-')))
  const world = await openWorld()
  const where = world.obstacle === undefined ? 'in the network lab' : `on loopback: the network lab ${world.obstacle}`
  process.stdout.write(`${minutes} minutes ${where}, seed ${seed}\n`)
  const programs = startPrograms(world, folder)
  try {
    const scene = await openScene(world, programs, folder)
    const { hub, seeders, consumer } = scene
    const { addresses } = (await consumer.program().line(isReady)) as {
      readonly addresses?: { readonly proxy: string }
    }
    const { outcomes, stop } = startReaders(programs, new URL('/', addresses!.proxy).origin)
    const stopWatching = watchMemory([consumer, hub])
    const forMs = minutes * 60_000
    const say = (text: string): void => void process.stdout.write(`${text}\n`)
    const counts = await disturb({ world, hub, consumer, seeders }, { seed, forMs, hubKillsForMs: forMs / 4 }, say)
    stopWatching()
    await stop()
    const wrong = outcomes.filter(({ result }) => result === 'wrong')
    const readBytes = outcomes.reduce((sum, { bytes }) => sum + bytes, 0)
    const ledgerProblems = await auditLedger(programs, { ...scene, folder, readBytes })
    process.stdout.write(`\nFaults: ${[...counts].map(([name, count]) => `${name} ${count}`).join(', ')}\n`)
    showOutcomes(outcomes)
    const growing = judgeMemory([consumer, hub], 1 / 3)
    await programs.end()
    return [
      ...programs.problems,
      ...wrong.map(({ kind, nickname, detail }) => `${kind} from ${nickname}: ${detail}`),
      ...(outcomes.some(({ result }) => result === 'complete') ? [] : ['nothing was read to its end']),
      ...ledgerProblems,
      ...growing,
    ]
  } finally {
    await world.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const minutes = Number(values.minutes)
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)
if (values.help || !(minutes > 0) || !Number.isInteger(seed)) {
  process.stdout.write(usage)
  process.exitCode = values.help ? 0 : 2
} else {
  const problems = await soak(minutes, seed)
  process.stdout.write(
    problems.length === 0 ? '\nEverything was right.\n' : `\nNot right:\n  ${problems.join('\n  ')}\n`,
  )
  process.exitCode = problems.length === 0 ? 0 : 1
}
