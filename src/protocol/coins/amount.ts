/** Bytes that one coin buys. Amounts are integer bytes everywhere; coins exist only as text at the edge. */
export const bytesPerCoin = 1_000_000

/** `61947635` → `"61.947635"`: bytes as coins with six decimals. Exact for every safe integer. */
export function formatCoins(bytes: number): string {
  const magnitude = Math.abs(bytes)
  const whole = Math.floor(magnitude / bytesPerCoin)
  const rest = String(magnitude % bytesPerCoin).padStart(6, '0')
  return `${bytes < 0 ? '-' : ''}${whole}.${rest}`
}

/** `"61.947635"` → `61947635`; undefined for what is not a non-negative decimal of at most six places within the safe integers. */
export function parseCoins(text: string): number | undefined {
  const match = /^(\d{1,10})(?:\.(\d{1,6}))?$/.exec(text.trim())
  if (match === null) return undefined
  const bytes = Number(match[1]) * bytesPerCoin + Number((match[2] ?? '').padEnd(6, '0'))
  return Number.isSafeInteger(bytes) ? bytes : undefined
}
