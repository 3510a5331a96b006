/**
 * The package's main entry (`lighthouse-peer`): a whole peer.
 */
export { createPeer$ } from './app.js'
export type { Peer, PeerOptions } from './peer-options.js'
export { type PeerPorts, portBlock } from './protocol/peer/port-block.js'
export type { Tunnel } from './protocol/tunnels/tunnels.js'
export type { PeerEvent } from './streams/peer/peer-event.js'
export type { Share } from './streams/serving/open-share.js'
export { register$, type RegisterOptions } from './register.js'
export type {
  ByteChannel,
  CryptoPort,
  HubClient,
  IceServer,
  MonotonicClock,
  NetworkPort,
  PathKind,
  RtcEvent,
  RtcOptions,
  RtcPort,
  RtcSignal,
  SignalConnection,
  SignalTransport,
  SignalTransportEvent,
  TrustStore,
} from './ports.js'
export type { SiteChoice, SiteStore } from './ports/sites.js'
export type {
  ConsumerAccount,
  ConsumerStore,
  KeptSession,
  Moved,
  ReceiptStore,
  SeederStore,
  SessionKeys,
  SessionStore,
  SettlingStore,
  StatementStore,
} from './ports/receipts.js'
export {
  type Receipt,
  type ReceiptAck,
  type ReceiptRefusal,
  receiptRefusals,
  type Settlement,
  type SignedReceipt,
} from './protocol/coins/receipt.js'
export type { SpendingLimits } from './protocol/coins/spending.js'
export { type ErrorCode, errorCodes, type ErrorDetails, isLighthouseError, LighthouseError } from './protocol/errors.js'
export { type Evidence, type EvidenceKind, evidenceKinds, type Statement } from './protocol/ledger/evidence.js'
export type { LedgerEntry } from './protocol/ledger/ledger-line.js'
export type { Identity } from './protocol/peer/metadata.js'
export type { ConnectionStats, HubState, PeerStats } from './protocol/peer/stats.js'
export {
  type CandidatePayload,
  type DescriptionPayload,
  type Envelope,
  type LedgerHead,
  type MuxAbilities,
  type Signal,
  type SignalAck,
  type SignalRefusal,
  signalRefusals,
} from './protocol/signaling/signal.js'
export type { UdpReach } from './protocol/signaling/udp-reach.js'
