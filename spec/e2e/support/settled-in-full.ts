import { expect } from '@jest/globals'
import { LedgerReader } from './ledger-reader.js'
import type { SettlementLoad } from './settlement-load.js'

async function walletOf(hubUrl: string, key: string): Promise<number> {
  const answer = await fetch(`${hubUrl}/v1/coins?pub_key=${encodeURIComponent(key)}`)
  return Math.round(Number(await answer.text()) * 1_000_000)
}

/** The ledger has all that was told, as it was told, and all that was signed, once. Everybody must be signed in. */
export async function mustBeSettledInFull(load: SettlementLoad, hubUrl: string): Promise<LedgerReader> {
  expect(load.nonsense).toEqual([])
  const ledger = new LedgerReader()
  await ledger.read(hubUrl)
  for (const settlement of load.told) ledger.mustHold(settlement)
  expect(Object.fromEntries(ledger.settled)).toEqual(Object.fromEntries(load.signed))
  for (const key of load.keys) expect(await walletOf(hubUrl, key)).toBe(ledger.wallets.get(key))
  // Once more is harmless.
  const { seq } = ledger
  for (const settlement of await load.repeat()) ledger.mustHold(settlement)
  await ledger.read(hubUrl)
  expect(ledger.seq).toBe(seq)
  return ledger
}
