/**
 * The hub's entry (`lighthouse-peer/hub`).
 */
export {
  createHub$,
  createInvites$,
  type Hub,
  type HubLogger,
  type HubOptions,
  type HubRateLimits,
  type InviteOptions,
  type RegistrationPolicy,
  type TurnOptions,
} from './app.js'
export type { CryptoPort, IceServer, MonotonicClock } from '../ports.js'
export type { KeyMarker } from '../ports/key-marker.js'
export {
  type ErrorCode,
  errorCodes,
  type ErrorDetails,
  isLighthouseError,
  LighthouseError,
} from '../protocol/errors.js'
export { registrationPolicies } from '../protocol/peer/registration-policy.js'
