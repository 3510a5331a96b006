/** Where the programs of a soak run: behind routers in the network lab, or all on loopback where there can be none. */
import { spawnSync } from 'node:child_process'
import {
  hubAddress,
  type Lab,
  labObstacle,
  type Nat,
  openLab,
  publicName,
  searchPath,
} from '../../spec/lab/support/lab.node.js'
import { startTurn } from '../../spec/lab/support/turn.node.js'

/** Each seeder is behind another kind of router, so that paths are direct, relayed, and relayed over TLS. The crowd shares a router. */
export const nats = {
  alice: 'cone',
  bob: 'cone',
  carol: 'symmetric',
  dave: 'strict',
  crowd: 'cone',
} as const satisfies Record<string, Nat>
export type Host = keyof typeof nats

/** What a router does to what passes it, besides its usual. */
export type Disturbance = 'cut' | 'lossy'

const rules: Readonly<Record<Disturbance, string>> = { cut: 'drop', lossy: 'numgen random mod 100 < 5 drop' }

export interface World {
  /** Why there is no network lab, undefined where there is one. */
  readonly obstacle: string | undefined
  /** What the hub's command line needs. */
  readonly hubOptions: readonly string[]
  readonly environment: NodeJS.ProcessEnv
  /** What comes before a command so that it runs on that host, or beside the hub without one. */
  within(host?: Host): readonly string[]
  disturb(host: Host, how: Disturbance): void
  calm(host: Host): void
  /** Ends coturn as a crash would, with all relays, and starts it again. */
  restartTurn(): Promise<void>
  close(): Promise<void>
}

function onLoopback(obstacle: string): World {
  const nothing = (): never => {
    throw new Error('there is no network lab here')
  }
  return {
    obstacle,
    hubOptions: [],
    environment: {},
    within: () => [],
    disturb: nothing,
    calm: nothing,
    restartTurn: nothing,
    close: async () => undefined,
  }
}

function onRouter(lab: Lab, host: Host, command: string): void {
  const [program, ...args] = lab.within(`${host}-router`)
  const { status, stderr } = spawnSync(program!, [...args, 'nft', '-f', '-'], {
    input: command,
    encoding: 'utf8',
    env: { PATH: searchPath },
  })
  if (status !== 0) throw new Error(`the router of ${host} cannot be changed: ${stderr}`)
}

export async function openWorld(): Promise<World> {
  const obstacle = labObstacle()
  if (obstacle !== undefined) return onLoopback(obstacle)
  const lab = await openLab(nats)
  const turn = await startTurn(lab)
  return {
    obstacle,
    hubOptions: ['--turn', publicName, '--turn-secret', turn.secret, '--host', hubAddress],
    environment: { NODE_EXTRA_CA_CERTS: turn.authority },
    within: host => lab.within(host),
    disturb: (host, how) =>
      onRouter(
        lab,
        host,
        `table inet soak { chain through { type filter hook forward priority -10; ${rules[how]}; }; }`,
      ),
    calm: host => onRouter(lab, host, 'delete table inet soak'),
    restartTurn: turn.restart,
    async close() {
      await turn.end()
      await lab.close()
    },
  }
}
