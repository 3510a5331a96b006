import { isRecord } from '../../../protocol/json.js'
import type { Claim } from './claims.js'

/**
 * What the processes of one hub say to each other. A key has a channel, to which the process subscribes that holds the
 * session of the key; a process has one on which it gets answers.
 */
export type BusContent =
  /** A claim that wants an answer under this number is of a session that just began; the others were said before. */
  | ({ readonly type: 'claim'; readonly id: number | null } & Claim)
  /** Send this to the session, and tell `process` under this number what became of it. */
  | {
      readonly type: 'deliver'
      readonly process: string
      readonly id: number
      readonly event: 'signal' | 'settled'
      readonly body: object
    }
  /** Do you hold a session of this key? */
  | { readonly type: 'probe'; readonly process: string; readonly id: number }
  | { readonly type: 'outcome'; readonly id: number; readonly outcome: 'delivered' | 'offline' | 'congested' }

/** Names of channels, with the version of these messages and the hub's key: communities can share what carries them. */
export function channelNames(hubKey: string): {
  ofProcess(process: string): string
  ofKey(pubKey: string): string
  /** The key of a channel, or undefined when it is none of a key. */
  keyOf(channel: string): string | undefined
} {
  const space = `lighthouse:1:${hubKey}`
  const keys = `${space}:key:`
  return {
    ofProcess: process => `${space}:process:${process}`,
    ofKey: pubKey => keys + pubKey,
    keyOf: channel => (channel.startsWith(keys) ? channel.slice(keys.length) : undefined),
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A message as heard, or undefined when it is not one: whoever else publishes there must not end a hub. */
export function parseBusContent(text: string): BusContent | undefined {
  const value = parseJson(text)
  if (!isRecord(value)) return undefined
  const { type, process, id } = value
  switch (type) {
    case 'claim': {
      const { session, sinceMs } = value
      const fits =
        Number.isSafeInteger(session) && Number.isFinite(sinceMs) && (id === null || Number.isSafeInteger(id))
      if (!fits || typeof process !== 'string') return undefined
      return { type, process, session: session as number, sinceMs: sinceMs as number, id: id as number | null }
    }
    case 'outcome': {
      const { outcome } = value
      const known = outcome === 'delivered' || outcome === 'offline' || outcome === 'congested'
      return known && Number.isSafeInteger(id) ? { type, id: id as number, outcome } : undefined
    }
    case 'probe':
    case 'deliver': {
      if (typeof process !== 'string' || !Number.isSafeInteger(id)) return undefined
      if (type === 'probe') return { type, process, id: id as number }
      const { event, body } = value
      if ((event !== 'signal' && event !== 'settled') || !isRecord(body)) return undefined
      return { type, process, id: id as number, event, body }
    }
    default:
      return undefined
  }
}
