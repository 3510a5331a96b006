import {
  EMPTY,
  type Observable,
  catchError,
  defer,
  distinctUntilChanged,
  ignoreElements,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  switchMap,
  take,
  takeUntil,
  tap,
  throttleTime,
  throwError,
} from 'rxjs'
import { openSiteFile } from '../../adapters/store/site-file.node.js'
import { openTrustFile } from '../../adapters/store/trust-file.node.js'
import { isStoreInUse, receiptStore$, receiptsPath } from '../../adapters/store/receipts/receipt-store.node.js'
import { readMetadata } from '../../adapters/store/metadata-file.node.js'
import type { Peer, PeerOptions, Share } from '../../index.js'
import { formatCoins } from '../../protocol/coins/amount.js'
import type { ReceiptStore } from '../../ports/receipts.js'
import { LighthouseError } from '../../protocol/errors.js'
import type { Identity } from '../../protocol/peer/metadata.js'
import type { HubState } from '../../protocol/peer/stats.js'
import { usingValue$ } from '../../streams/using-value.js'
import { askPeer, readStats, unlessSilent } from '../control.js'
import { type ExitCode, exitCodes } from '../exit-codes.js'
import { CommandFailure } from '../failure.js'
import { fileWhile$, type OwnFile } from '../file-while.js'
import { formatHub } from '../format.js'
import { checkInvited, readInvitation, rememberInviter } from '../invited.js'
import { createLog } from '../log.js'
import { defaultPortBase } from '../../protocol/peer/port-block.js'
import type { EngineValues } from '../options.js'
import { printable } from '../output.js'
import { type RunFile, readRunFile, runPath, writeRunFile } from '../running.js'
import { defaultShare, parseShare } from '../share.js'
import { askRegistration } from './ask-registration.js'
import type { Context } from './context.js'
import { eventReporter } from './peer-events.js'

/** Options of `up`. */
export interface UpValues extends EngineValues {
  readonly link?: string
  readonly share?: string
  readonly relayOnly?: boolean
  readonly allowHost?: readonly string[]
  readonly open?: boolean
  readonly acceptNew?: boolean
  /** Limits on what may be spent, in bytes. */
  readonly maxConnection?: number
  readonly maxDay?: number
  readonly maxPeer?: number
}

function alreadyRunning(home: string, { pid }: RunFile): CommandFailure {
  return new CommandFailure('already-running', `the peer of "${home}" is already running (process ${pid})`)
}

/**
 * The receipts of the home, which one process can have: whoever has them runs its peer, whatever became of a run file. Errors
 * with `already-running` where that is another process.
 */
function receipts$(home: string, identity: Identity, acceptNew = false): Observable<ReceiptStore> {
  return receiptStore$(receiptsPath(home), identity.pubKey, { acceptNew }).pipe(
    catchError((error: unknown) => {
      const other = isStoreInUse(error) ? readRunFile(home) : undefined
      throw other === undefined ? error : alreadyRunning(home, other)
    }),
  )
}

function describeShare(share: Share, peer: Peer): string {
  if (share.type === 'tcp') return `Sharing ${share.host}:${share.port}`
  return `Sharing ${share.path}${peer.addresses.data === undefined ? '' : `: ${peer.addresses.data}`}`
}

function announce({ io, output, home }: Context, peer: Peer, share: Share | undefined): void {
  const { nickname, pubKey, fingerprint } = peer.identity
  const { proxy, data } = peer.addresses
  const shared = share?.type === 'tcp' ? { host: share.host, port: share.port } : { folder: share?.path }
  output.result(
    {
      type: 'ready',
      nickname,
      pubKey,
      fingerprint,
      pid: io.pid,
      home,
      addresses: { proxy, data },
      share: share && shared,
    },
    [
      `${nickname} is up. Dashboard: ${output.bold(proxy)}`,
      `Fingerprint of your key: ${fingerprint}`,
      share === undefined ? 'Sharing nothing.' : printable(describeShare(share, peer)),
      'Stop it with Ctrl-C or "lighthouse-peer stop".',
    ].join('\n'),
  )
}

/** Shows the state of the hub connection; errors when it has ended for good. */
function followHub$({ output }: Context, state$: Observable<HubState>): Observable<never> {
  return state$.pipe(
    distinctUntilChanged((a, b) => a.type === b.type),
    mergeMap(state => {
      if (state.type === 'stopped') return throwError(() => new LighthouseError(state.code, state.message))
      if (output.json || state.type === 'authenticated') {
        output.result({ type: 'hub', state }, 'Signed in to the hub.')
      } else if (state.type === 'waiting') {
        output.notice(`The hub is ${formatHub(state)}.`)
      }
      return EMPTY
    }),
  )
}

/** A transfer settles many times a second; who reads along gets the newest. */
const coinsPeriodMs = 250

function followCoins$({ output }: Context, coins$: Observable<number>): Observable<never> {
  return coins$.pipe(
    throttleTime(coinsPeriodMs, undefined, { leading: true, trailing: true }),
    distinctUntilChanged(),
    tap(bytes => {
      if (output.json) output.result({ type: 'coins', coins: formatCoins(bytes), bytes }, '')
    }),
    ignoreElements(),
  )
}

function openDashboard$({ io, output }: Context, url: string): Observable<never> {
  return defer(() => io.openBrowser(url)).pipe(
    ignoreElements(),
    catchError((error: unknown) => {
      output.notice(`No browser could be opened (${error instanceof Error ? error.message : String(error)}).`)
      return EMPTY
    }),
  )
}

function runPeer$(
  context: Context,
  peer$: Observable<Peer>,
  run: RunFile,
  options: { readonly share: Share | undefined; readonly opens: boolean },
): Observable<ExitCode> {
  const { io, home, globals } = context
  const reportEvent = eventReporter(context, createLog(io, globals.logLevel))
  return peer$.pipe(
    switchMap(peer => {
      writeRunFile(home, { ...run, url: peer.addresses.proxy })
      announce(context, peer, options.share)
      return merge(
        followHub$(context, peer.state$),
        followCoins$(context, peer.coins$),
        peer.event$.pipe(tap(reportEvent), ignoreElements()),
        options.opens ? openDashboard$(context, peer.addresses.proxy) : EMPTY,
        peer.stopRequested$.pipe(map(() => exitCodes.done)),
      )
    }),
    takeUntil(io.interrupt$),
    take(1),
  )
}

async function run(
  context: Context,
  values: UpValues,
  identity: Identity,
  share: Share | undefined,
  starting: RunFile,
): Promise<ExitCode> {
  const { io, output, home, globals } = context
  const { engine = 'auto' } = values
  const { createPeer$, portBlock } = await io.parts.peer()
  const options: PeerOptions = {
    identity,
    home,
    ports: portBlock(globals.portBase ?? defaultPortBase),
    trust: openTrustFile(home),
    sites: openSiteFile(home),
    allowedHosts: values.allowHost ?? [],
    controlToken: starting.controlToken,
    spending: { connectionBytes: values.maxConnection, dayBytes: values.maxDay, peerBytes: values.maxPeer },
    ...(engine === 'auto' ? {} : { rtc: await io.parts.loadRtc(engine) }),
    ...(share === undefined ? {} : { share }),
    ...(values.relayOnly === true ? { relayOnly: true } : {}),
  }
  const opens = values.open !== false && io.stdout.isTTY && !output.json
  const runFile: OwnFile = {
    path: runPath(home),
    token: starting.controlToken,
    write: () => writeRunFile(home, starting),
  }
  // The peer writes its last receipts and debts when it ends, and its run file is gone before another may have the home.
  const peer$ = usingValue$(receipts$(home, identity, values.acceptNew), receipts =>
    merge(fileWhile$(runFile, output), createPeer$({ ...options, receipts })),
  )
  return lastValueFrom(runPeer$(context, peer$, starting, { share, opens }), {
    defaultValue: exitCodes.done,
  })
}

/** `up`: signs in, opens the listeners and runs until Ctrl-C or `stop`. */
export async function upCommand(context: Context, values: UpValues): Promise<ExitCode> {
  const { io, output, home } = context
  const share = parseShare(values.share, io.cwd)
  const invitation = readInvitation(context, values.link)
  const known = readMetadata(home)
  if (known !== undefined && invitation !== undefined) checkInvited(context, known, invitation)
  const identity = known ?? (await askRegistration(context, invitation))
  if (typeof identity === 'number') return identity
  const controlToken = io.parts.crypto.randomId(32)
  const starting: RunFile = { pid: io.pid, url: null, controlToken, startedAt: new Date().toISOString() }
  const other = await askPeer(home, 'GET', '/stats', readStats).catch(unlessSilent)
  if (other !== undefined) throw alreadyRunning(home, other.run)
  if (invitation !== undefined) rememberInviter(context, identity, invitation)
  if (share === undefined) {
    output.notice(`There is no folder "${defaultShare}" here: nothing is shared. Choose one with --share.`)
  }
  return run(context, values, identity, share, starting)
}
