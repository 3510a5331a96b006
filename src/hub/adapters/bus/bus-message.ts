import { isRecord } from '../../../protocol/json.js'
import type { BusEvent, Delivery } from '../../ports/bus.js'

/** Ends a replaced session, sends something to the current one, or asks whether there is one. `process` gets the answer under `id`. */
export interface BusQuestion {
  readonly process: string
  readonly id: number
  readonly pubKey: string
  readonly replaced?: string
  readonly send?: { readonly event: BusEvent; readonly body: object }
}

export type BusAnswer = { readonly id: number; readonly outcome: Delivery }

function isMessage({ process, id, pubKey, replaced, send, outcome }: Record<string, unknown>): boolean {
  if (outcome !== undefined) return outcome === 'delivered' || outcome === 'offline' || outcome === 'congested'
  const isAddressed = typeof process === 'string' && typeof pubKey === 'string' && Number.isSafeInteger(id)
  if (!isAddressed || (replaced !== undefined && typeof replaced !== 'string')) return false
  return isRecord(send)
    ? (send.event === 'signal' || send.event === 'settled') && isRecord(send.body)
    : send === undefined
}

/** Parses a message. Undefined for anything else: another program that publishes on the channel must not crash a hub. */
export function parseBusMessage(text: string): BusQuestion | BusAnswer | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) && isMessage(value) ? (value as unknown as BusQuestion | BusAnswer) : undefined
  } catch {
    return undefined
  }
}
