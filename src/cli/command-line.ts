import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { coinsCommand } from './commands/coins.js'
import { type Context, createContext } from './commands/context.js'
import { type DemoValues, demoCommand } from './commands/demo.js'
import { type DoctorValues, doctorCommand } from './commands/doctor.js'
import {
  ledgerExportCommand,
  type LedgerExportValues,
  ledgerVerifyCommand,
  type LedgerVerifyValues,
} from './commands/ledger.js'
import { forgiveCommand, type ForgiveValues } from './commands/forgive.js'
import { getCommand, type GetValues } from './commands/get.js'
import { type HubValues, hubCommand } from './commands/hub.js'
import { type InvitationValues, inviteCommand } from './commands/invite.js'
import { type InviteValues, hubInviteCommand } from './commands/hub-invite.js'
import { type RegisterValues, registerCommand } from './commands/register.js'
import { type TrustValues, trustCommand } from './commands/trust.js'
import { type ForgetValues, forgetCommand } from './commands/forget.js'
import { statusCommand } from './commands/status.js'
import { stopCommand } from './commands/stop.js'
import { type UpValues, upCommand } from './commands/up.js'
import type { ExitCode } from './exit-codes.js'
import { examples } from './help.js'
import { registrationPolicies } from '../protocol/peer/registration-policy.js'
import type { Io } from './io.js'
import { nicknameRule } from '../protocol/peer/nickname.js'
import {
  parseSize,
  parseSpending,
  collectHost,
  collectLimit,
  collectStun,
  acceptNewOption,
  collectTurn,
  databaseOption,
  engineOption,
  type GlobalValues,
  globalOptions,
  limitSpellings,
  option,
  parseCoinCount,
  parseInviteCount,
  parsePort,
  parseTrustProxy,
  relayOnlyOption,
  shareOption,
  readEnvironment,
} from './options.js'

function version(): string {
  const file = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(file) as { version: string }).version
}

/** Commands that run until they are stopped. They do not fail if their output cannot be written. */
const daemons = new Set(['demo', 'hub', 'up'])

type Action<Values> = (context: Context, values: Values) => Promise<ExitCode>

/** The commands with their options. `done` receives the exit code of the one that ran, and whether it was a daemon. */
export function commandLine(io: Io, done: (code: ExitCode, isDaemon: boolean) => void): Command {
  const program = new Command('lighthouse-peer')
    .description('A peer-to-peer media network: share a folder, watch what others share.')
    .version(version(), '--version', 'print the version')
    .helpOption('--help', 'print this help')
    .helpCommand(false)
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', examples.program!)
    .allowExcessArguments(false)
  for (const made of globalOptions()) program.addOption(made)

  const add = <Values>(name: string, description: string, action: Action<Values>, parent = program): Command =>
    parent
      .command(name)
      .description(description)
      .helpOption('--help', 'print this help')
      .allowExcessArguments(false)
      .addHelpText('after', examples[parent === program ? name : `${parent.name()} ${name}`]!)
      .action(async (...given: readonly unknown[]) => {
        const command = given.at(-1) as Command
        readEnvironment(program, io.env)
        if (parent !== program) readEnvironment(parent, io.env)
        readEnvironment(command, io.env)
        const words = Object.fromEntries(command.registeredArguments.map((word, at) => [word.name(), command.args[at]]))
        const values = { ...(parent === program ? {} : parent.opts()), ...command.opts(), ...words } as Values
        const code = await action(await createContext(io, program.opts<GlobalValues>()), values)
        done(code, daemons.has(name))
      })

  add<DemoValues>('demo', 'run a hub and two peers on this machine as a demonstration', demoCommand).addOption(
    engineOption(),
  )
  const hub = add<HubValues>('hub', 'run a hub: names, signaling, coins', hubCommand)
    .addOption(option('--host <address>', 'address to listen on (default: 127.0.0.1)', 'LIGHTHOUSE_HOST'))
    .addOption(
      option('--port <n>', 'port to listen on, 0 lets the system choose (default: 3000)', 'LIGHTHOUSE_PORT', parsePort),
    )
    .addOption(databaseOption())
    .addOption(acceptNewOption("the hub's earlier database"))
    .addOption(option('--redis <url>', 'redis://…, for several hub processes on one PostgreSQL', 'LIGHTHOUSE_REDIS'))
    .addOption(
      option('--initial-coins <n>', 'coins of a new peer (default: 100)', 'LIGHTHOUSE_INITIAL_COINS', parseCoinCount),
    )
    .addOption(
      option('--registration <policy>', 'who may register (default: open)', 'LIGHTHOUSE_REGISTRATION').choices(
        registrationPolicies,
      ),
    )
    .addOption(
      option(
        '--limit <name=n>',
        `limit on requests of one address or key, repeatable: ${limitSpellings().join(', ')}`,
        'LIGHTHOUSE_LIMIT',
        collectLimit,
      ),
    )
    .addOption(
      option(
        '--trust-proxy <which>',
        'how many proxies are in front of the hub, or their addresses (default: none)',
        'LIGHTHOUSE_TRUST_PROXY',
        parseTrustProxy,
      ),
    )
    .addOption(
      option(
        '--stun <url>',
        'STUN server for the peers, repeatable (default: the TURN servers, which answer STUN too)',
        'LIGHTHOUSE_STUN',
        collectStun,
      ),
    )
    .addOption(
      option(
        '--turn <host>',
        'TURN server for the peers, over UDP, TCP and TLS at the usual ports; or one address of it, like turns:turn.example:443; repeatable',
        'LIGHTHOUSE_TURN',
        collectTurn,
      ),
    )
    .addOption(
      option('--turn-secret <secret>', 'secret that the TURN server shares with the hub', 'LIGHTHOUSE_TURN_SECRET'),
    )
  add<InviteValues>('invite', 'create invitation codes', hubInviteCommand, hub)
    .addOption(option('--count <n>', 'how many (default: 1)', 'LIGHTHOUSE_COUNT', parseInviteCount))
    .configureHelp({
      showGlobalOptions: true,
      // Of the hub's own options only where its database is.
      visibleGlobalOptions: () => [...hub.options.filter(made => made.long === '--database'), ...program.options],
    })
  add<RegisterValues>('register', 'create a key pair and register a nickname', registerCommand)
    .argument('[link]', 'an invitation, lighthouse://join/…, in place of --hub and --invite')
    .addOption(option('--hub <url>', 'address of the hub', 'LIGHTHOUSE_HUB'))
    .addOption(option('--nickname <name>', nicknameRule, 'LIGHTHOUSE_NICKNAME'))
    .addOption(option('--invite <code>', 'invitation code, if the hub requires one', 'LIGHTHOUSE_INVITE'))
  add<UpValues>('up', 'sign in, open the listeners and run until Ctrl-C', upCommand)
    .argument('[link]', 'an invitation, lighthouse://join/…, to register with')
    .addOption(shareOption())
    .addOption(relayOnlyOption())
    .addOption(
      option(
        '--allow-host <name>',
        'another NAME or NAME:PORT by which your ports are reached, where they are forwarded; repeatable',
        'LIGHTHOUSE_ALLOW_HOST',
        collectHost,
      ),
    )
    .addOption(
      option(
        '--max-connection <coins>',
        'most that one connection may cost',
        'LIGHTHOUSE_MAX_CONNECTION',
        parseSpending,
      ),
    )
    .addOption(option('--max-day <coins>', 'most that a day (UTC) may cost', 'LIGHTHOUSE_MAX_DAY', parseSpending))
    .addOption(acceptNewOption('earlier receipts'))
    .addOption(option('--max-peer <coins>', 'most that one peer may cost, ever', 'LIGHTHOUSE_MAX_PEER', parseSpending))
    .addOption(option('--no-open', 'do not open the dashboard in a browser', 'LIGHTHOUSE_NO_OPEN'))
    .addOption(engineOption())
  add<DoctorValues>('doctor', 'check what works and what does not, and say what to do', doctorCommand)
    .argument('[nickname]', 'somebody to connect to, phase by phase')
    .addOption(shareOption())
    .addOption(relayOnlyOption())
    .addOption(engineOption())
  add('status', 'show what the running peer does', statusCommand)
  add('coins', 'show the coins of the running peer', coinsCommand)
  add<GetValues>('get', 'download a file that somebody shares', getCommand)
    .argument('<file>', 'NICK/PATH, as in the listing, or lighthouse://NICK/PATH, percent-encoded')
    .addOption(
      option(
        '-o, --output <file>',
        'where to: a file, a folder, or - for stdout (default: its own name, here)',
        'LIGHTHOUSE_OUTPUT',
      ),
    )
    .addOption(
      option(
        '--max <size>',
        'ask before more is downloaded (default: 1GB if no size is announced)',
        'LIGHTHOUSE_MAX',
        parseSize,
      ),
    )
    .addOption(option('-f, --force', 'replace the file if it is there', 'LIGHTHOUSE_FORCE'))
  add<ForgiveValues>('forgive', 'write off what somebody owes the running peer', forgiveCommand).argument(
    '<nickname>',
    'who',
  )
  add<InvitationValues>(
    'invite',
    'make a link with which somebody joins your hub and knows you',
    inviteCommand,
  ).addOption(option('--code <code>', 'invitation code of the hub, if it requires one', 'LIGHTHOUSE_CODE'))
  add<TrustValues>('trust', 'accept the key of somebody, or of the hub, after it changed', trustCommand)
    .argument('[nickname]', 'who')
    .addOption(option('--own-hub', 'the hub of this home', 'LIGHTHOUSE_OWN_HUB'))
    .addOption(option('--yes', 'do not ask: the fingerprints were compared', 'LIGHTHOUSE_YES'))
  add<ForgetValues>(
    'forget',
    'forget the key of somebody, and what you decided about the site',
    forgetCommand,
  ).argument('<nickname>', 'who')
  const ledger = program
    .command('ledger')
    .description('verify or export the ledger of coins')
    .helpCommand(false)
    .helpOption('--help', 'print this help')
    .addHelpText('after', examples.ledger!)
  add<LedgerVerifyValues>('verify', 'check a ledger', ledgerVerifyCommand, ledger)
    .argument('[source]', "http(s)://HUB, sqlite:PATH, postgres://…, or a file (default: the home's hub)")
    .addOption(option('--mine', 'compare it with the receipts and settlements in this home', 'LIGHTHOUSE_MINE'))
    .addOption(option('--fast', 'skip the signatures of receipts', 'LIGHTHOUSE_FAST'))
  add<LedgerExportValues>('export', 'write a ledger to a file or to stdout', ledgerExportCommand, ledger)
    .argument('[source]', "http(s)://HUB, sqlite:PATH, postgres://…, or a file (default: the home's hub)")
    .addOption(option('-o, --output <file>', 'a new file (default: stdout)', 'LIGHTHOUSE_OUTPUT'))
  add('stop', 'end the running peer', stopCommand)
  return program
}
