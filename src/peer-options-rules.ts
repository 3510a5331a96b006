import { isHostName } from './protocol/http/guard.js'
import { isKeyPair } from './adapters/crypto/crypto.node.js'
import type { PeerOptions } from './peer-options.js'
import { LighthouseError } from './protocol/errors.js'
import { hubUrl, type Identity, identityFlaw, keysDiffer } from './protocol/peer/metadata.js'
import {
  clock,
  cryptoPort,
  flag,
  having,
  invalidOption,
  listeningPort,
  object,
  oneOf,
  optional,
  type OptionRules,
  path,
  scheduler,
  text,
  token,
  verifyOptions,
  whole,
} from './protocol/options.js'
import type { PeerPorts } from './protocol/peer/port-block.js'
import { iceServerList } from './protocol/signaling/ice-servers.js'
import type { SpendingLimits } from './protocol/coins/spending.js'
import type { Share } from './streams/serving/open-share.js'

const rules: OptionRules<PeerOptions> = {
  identity: object,
  share: optional(object),
  home: optional(path),
  ports: optional(object),
  rtc: optional(having('connect$')),
  network: optional(having('addresses', 'asksUdp$')),
  transport: optional(having('connect$')),
  hub: optional(having('resolve$', 'balance$', 'ledger$')),
  crypto: optional(cryptoPort),
  trust: optional(having('known', 'remember', 'forget')),
  receipts: optional(having('open', 'session', 'keep', 'settle', 'due', 'account', 'serve')),
  spending: optional(object),
  iceServers: optional(iceServerList),
  relayOnly: optional(flag),
  sites: optional(having('choice', 'choose', 'forget')),
  allowedHosts: optional({
    allows: value => Array.isArray(value) && value.every(name => typeof name === 'string' && isHostName(name)),
    text: 'must be a list of host names, each as NAME or NAME:PORT',
  }),
  controlToken: optional(token(1)),
  scheduler: optional(scheduler),
  clock: optional(clock),
}

const shareRules: { readonly [Type in Share['type']]: OptionRules<Extract<Share, { type: Type }>> } = {
  folder: { type: oneOf('folder'), path },
  tcp: { type: oneOf('tcp'), host: text, port: whole(1, 65_535) },
}

const portRules: OptionRules<PeerPorts> = {
  proxy: listeningPort,
  data: listeningPort,
  tunnels: {
    allows: value => Array.isArray(value) && value.length > 0 && value.every(listeningPort.allows),
    text: 'must be one or more ports, whole numbers from 0 to 65535',
  },
}

const spendingRules: OptionRules<SpendingLimits> = {
  connectionBytes: optional(whole(0)),
  dayBytes: optional(whole(0)),
  peerBytes: optional(whole(0)),
}

function verifyShare(share: Share): void {
  if (!Object.hasOwn(shareRules, share.type)) throw invalidOption('share.type', oneOf('folder', 'tcp').text)
  verifyOptions<Share>(share, shareRules[share.type], 'share')
}

function verifyPorts(ports: PeerPorts): void {
  verifyOptions(ports, portRules, 'ports')
  const fixed = [ports.proxy, ports.data, ...ports.tunnels].filter(port => port !== 0)
  if (new Set(fixed).size !== fixed.length) throw invalidOption('ports', 'must name each port once')
}

/** A nickname, a hub, and keys that belong together: else signing fails at each sign-in, which looks like a hub that is away. */
function verifyIdentity(identity: Identity): void {
  const flaw = identityFlaw(identity)
  if (flaw !== undefined) throw invalidOption(`identity.${flaw.field}`, flaw.rule)
  if (!isKeyPair(identity)) throw invalidOption('identity.privKey', keysDiffer)
  try {
    hubUrl(identity.host)
  } catch (cause) {
    if (!(cause instanceof LighthouseError)) throw cause
    const field = 'identity.host'
    throw new LighthouseError('invalid-option', `option "${field}": ${cause.message}`, { field }, { cause })
  }
}

/** Checks the options once, at the door. Throws `invalid-option` with the field and the rule. */
export function verifyPeerOptions(options: PeerOptions): void {
  verifyOptions(options, rules)
  const { identity, share, ports, spending } = options
  verifyIdentity(identity)
  if (share !== undefined) verifyShare(share)
  if (ports !== undefined) verifyPorts(ports)
  if (spending !== undefined) verifyOptions(spending, spendingRules, 'spending')
}
