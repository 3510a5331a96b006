/** What the doctor says about the hub. */
import type { HubState } from '../peer/stats.js'
import { failing, fine, skipped, type Diagnosis, warning } from './check.js'

/** How far one request to the hub came, with what was seen at each stage. */
export interface HubFound {
  readonly origin: string
  readonly addresses?: readonly string[]
  /** Who answered, and after how long from the start of the stage. */
  readonly address?: string
  readonly lookUpMs?: number
  readonly connectMs?: number
  readonly secureMs?: number
  readonly answerMs?: number
  /** The last day on which the certificate is valid, in milliseconds since 1970. */
  readonly validToMs?: number
  readonly status?: number
  readonly hubKey?: string
  /** By how much the hub's clock is ahead of this machine's, give or take a second. */
  readonly clockAheadMs?: number
  /** Why it came no further. */
  readonly failure?: string
}

const checkAddress = 'Check the address of the hub in metadata.json, and your network.'
const askOperator = 'Ask the operator of the hub whether it is running.'

export function judgeLookUp({ origin, addresses, failure }: HubFound): Diagnosis {
  if (addresses !== undefined && addresses.length > 0) return fine(`${new URL(origin).host} is ${addresses.join(', ')}`)
  return failing(
    `no address for ${new URL(origin).hostname} (${failure ?? 'no answer'})`,
    checkAddress,
    'hub-unreachable',
  )
}

export function judgeConnection({ addresses, address, failure }: HubFound): Diagnosis {
  if (addresses === undefined) return skipped('the hub has no address')
  if (address !== undefined) return fine(`connected to ${address}`)
  return failing(`no connection (${failure ?? 'no answer'})`, `${checkAddress} ${askOperator}`, 'hub-unreachable')
}

const dayMs = 86_400_000
/** Certificates are renewed a month before their end; two weeks before it something is wrong. */
const renewalDays = 14

export function judgeCertificate({ origin, address, validToMs, failure }: HubFound, nowMs: number): Diagnosis {
  if (!origin.startsWith('https:')) return fine('plain HTTP, on this machine or network')
  if (address === undefined) return skipped('there is no connection to the hub')
  if (validToMs === undefined) {
    const next = 'Ask the operator of the hub, or name its authority in NODE_EXTRA_CA_CERTS.'
    return failing(`no secure connection (${failure ?? 'no answer'})`, next, 'hub-unreachable')
  }
  const days = Math.floor((validToMs - nowMs) / dayMs)
  const words = `the certificate is valid for ${days} more ${days === 1 ? 'day' : 'days'}`
  return days < renewalDays ? warning(words, 'Tell the operator of the hub: it is not renewed.') : fine(words)
}

/** `remembered` is the key of that hub from before, `fingerprint` what people compare of a key. */
export function judgeHealth(
  found: HubFound,
  remembered: string | undefined,
  fingerprint: (pubKey: string) => string,
): Diagnosis {
  const { origin, address, validToMs, status, hubKey, failure } = found
  if (address === undefined || (origin.startsWith('https:') && validToMs === undefined)) {
    return skipped('there is no connection to the hub')
  }
  if (hubKey === undefined) {
    return failing(
      failure ?? `it answers with status ${status ?? 'none'}, and is no hub`,
      `${checkAddress} ${askOperator}`,
      status === undefined ? 'hub-unreachable' : 'hub-protocol',
    )
  }
  if (remembered !== undefined && remembered !== hubKey) {
    const words = `the key of the hub has changed: its fingerprint was ${fingerprint(remembered)}, and is now ${fingerprint(hubKey)}`
    const next =
      'Ask its operator for the fingerprint that the hub printed when it was started. If it is the new one, run: lighthouse-peer trust --own-hub'
    return failing(words, next, 'key-changed')
  }
  if (status !== 200) return failing(`the hub is failing (status ${status})`, askOperator, 'hub-unreachable')
  return fine(
    remembered === undefined
      ? `the hub answers; its key ${fingerprint(hubKey)} is not remembered yet`
      : `the hub answers, with the key that is remembered: ${fingerprint(hubKey)}`,
  )
}

/** TURN credentials expire by the clock, and so do certificates. */
const clockLimitMs = 30_000

export function judgeClock({ clockAheadMs }: HubFound): Diagnosis {
  if (clockAheadMs === undefined) return skipped('the hub did not tell its time')
  const seconds = Math.round(Math.abs(clockAheadMs) / 1000)
  const words = seconds < 2 ? 'as the hub has it' : `${seconds} s ${clockAheadMs > 0 ? 'behind' : 'ahead of'} the hub`
  return Math.abs(clockAheadMs) > clockLimitMs
    ? warning(words, 'Let the system set its clock by the network (NTP).')
    : fine(words)
}

/** Whose the nickname is at the hub: `key` there, undefined where nobody has it. */
export function judgeRegistration(
  nickname: string,
  own: string,
  key: string | undefined,
  fingerprint: (pubKey: string) => string,
): Diagnosis {
  if (key === own) return fine(`${nickname} is registered with this key`)
  return key === undefined
    ? failing(
        `the hub knows nobody called ${nickname}`,
        `Register again: lighthouse-peer register --hub URL --nickname ${nickname}`,
        'not-authenticated',
      )
    : failing(
        `${nickname} belongs to another key at this hub: ${fingerprint(key)}`,
        'Choose another nickname with another --home, or restore metadata.json.',
        'not-authenticated',
      )
}

/** How the peer stands at its hub. `isRunning`: the peer of this home, else one that was started to see. */
export function judgeSignIn(state: HubState, isRunning: boolean): Diagnosis {
  switch (state.type) {
    case 'authenticated':
      return fine(isRunning ? 'the running peer is signed in' : 'signed in, and out again')
    case 'connecting':
      return failing('the hub has not answered in time', askOperator, 'hub-unreachable')
    case 'waiting':
      return failing(
        state.message.replace(/\.$/, ''),
        'It is tried again automatically. ' + askOperator,
        'hub-unreachable',
      )
    case 'stopped':
      if (state.code === 'session-replaced') {
        return isRunning
          ? failing('the running peer was signed out: its key signed in elsewhere', 'Stop one of the two.', state.code)
          : warning(
              'a peer with this key is signed in already, on another machine or a moment ago: its session was left alone',
              'Run "lighthouse-peer doctor" there, or stop it and wait half a minute.',
            )
      }
      return failing(state.message.replace(/\.$/, ''), 'Register again, or ask the operator of the hub.', state.code)
  }
}
