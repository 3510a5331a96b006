import { firstValueFrom } from 'rxjs'
import { fingerprintOf } from '../../adapters/crypto/crypto.node.js'
import { readMetadata } from '../../adapters/store/metadata-file.node.js'
import { openTrustFile } from '../../adapters/store/trust-file.node.js'
import type { KeyOfPeer } from '../../ports/known-keys.js'
import { hubUrl } from '../../protocol/peer/metadata.js'
import { assertNickname } from '../../protocol/peer/nickname.js'
import { confirm } from '../confirm.js'
import { askPeer, readStats, unlessSilent } from '../control.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { CommandFailure } from '../failure.js'
import { interrupted } from '../interrupted.js'
import { homeKeys } from '../known-keys.js'
import { printable } from '../output.js'
import type { Context } from './context.js'

/** The argument and the options of `trust`. */
export interface TrustValues {
  readonly nickname?: string
  readonly ownHub?: boolean
  readonly yes?: boolean
}

/** A key that may be accepted. */
interface Candidate extends KeyOfPeer {
  /** Whose it is, in words and as JSON. */
  readonly name: string
  readonly json: { readonly nickname: string } | { readonly hub: string }
  /** How to find out whether it is right. */
  readonly compare: string
  /** The command that accepts it. */
  readonly command: string
  readonly remember: () => unknown
  /** What else to know when the key was another one. */
  readonly afterwards: (before: string) => string
}

async function peerKey(context: Context, nickname: string): Promise<Candidate> {
  assertNickname(nickname)
  const keys = homeKeys(context)
  const found = await keys.lookUp(nickname)
  return {
    ...found,
    name: nickname,
    json: { nickname },
    compare: `Ask ${nickname} over another channel what "lighthouse-peer status" shows there`,
    command: `lighthouse-peer trust ${nickname}`,
    remember: () => keys.trust(nickname, found.current),
    afterwards: before => `Receipts and debts stay with ${before}.`,
  }
}

async function hubKey({ io, home }: Context): Promise<Candidate> {
  const identity = readMetadata(home)
  if (identity === undefined) throw new CommandFailure('not-registered', `nobody is registered in "${home}"`)
  // It has the file to itself, and is signed in at the hub that it knows.
  const running = await askPeer(home, 'GET', '/stats', readStats).catch(unlessSilent)
  if (running !== undefined) throw new CommandFailure('already-running', `the peer of "${home}" is running`)
  const { host, nickname } = identity
  const trust = openTrustFile(home)
  const { hubKey: current } = await firstValueFrom(io.parts.hubClient(hubUrl(host)).health$())
  return {
    known: trust.known('hub', host),
    current,
    name: `the hub ${printable(host)}`,
    json: { hub: host },
    compare: 'Ask its operator what the hub printed when it was started',
    command: 'lighthouse-peer trust --own-hub',
    remember: () => trust.remember('hub', host, current),
    afterwards: () =>
      `It is another hub: register there with lighthouse-peer register --hub ${printable(host)} --nickname ${nickname}`,
  }
}

/** `trust NICK`, `trust --own-hub`: shows a key, and accepts it in place of the one that is remembered. */
export async function trustCommand(context: Context, values: TrustValues): Promise<ExitCode> {
  const { nickname, ownHub = false, yes = false } = values
  if ((nickname === undefined) !== ownHub)
    throw new CommandFailure('usage', 'name either somebody, or the hub with --own-hub')
  const { io, output } = context
  const candidate = nickname === undefined ? await hubKey(context) : await peerKey(context, nickname)
  const { known, current, name, compare } = candidate
  const [before, now] = [known === undefined ? null : fingerprintOf(known), fingerprintOf(current)]
  const trusted = { ...candidate.json, before, fingerprint: now }
  if (known === current) {
    output.result({ trusted }, `You trust the key of ${name} already: ${now}`)
    return exitCodes.done
  }
  const words =
    before === null
      ? `No key of ${name} is remembered yet. It has ${now}.`
      : `The key of ${name} has changed: its fingerprint was ${before}, and is now ${now}.`
  if (!yes) {
    if (!io.interactive || output.json) {
      throw new CommandFailure('usage', `${words} ${compare}. If it is ${now}, run: ${candidate.command} --yes`)
    }
    output.notice(words)
    const answer = await confirm(io, `${compare}. Is it ${now}?`)
    if (answer === undefined) throw interrupted()
    if (!answer) {
      output.notice('Nothing was changed.')
      return exitCodes.failure
    }
  }
  await candidate.remember()
  const afterwards = before === null ? '' : ` ${candidate.afterwards(before)}`
  output.result({ trusted }, `You trust the key ${now} of ${name} now.${afterwards}`)
  return exitCodes.done
}
