const powers: Readonly<Record<string, number>> = { '': 0, b: 0, kb: 1, mb: 2, gb: 3, tb: 4 }

/** `1.5 GB` → 1,500,000,000: what people write for a size, in decimal units. Undefined for what is none. */
export function parseBytes(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d{1,15}(?:\.\d{1,12})?) ?([kmgt]?b)?$/i.exec(text.trim()) ?? []
  const bytes = Math.round(Number(number) * 1000 ** powers[unit.toLowerCase()]!)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/**
 * `1536000` → `1.5 MB`: decimal units, since a coin buys a decimal megabyte. Rounded first, so that a number just below a
 * unit is shown in it: 999,960 is `1.0 MB`. Fractions of a byte, as in a rate, are rounded away.
 */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let power = 0
  let shown = String(Math.round(bytes))
  while (Number(shown) >= 1000 && power < units.length - 1) {
    power += 1
    shown = (bytes / 1000 ** power).toFixed(1)
  }
  return `${shown} ${units[power]}`
}
