/**
 * `1536000` → `1.5 MB`: decimal units, since a coin buys a decimal megabyte. Rounded first, so that a number just below a
 * unit is shown in it: 999,960 is `1.0 MB`. Fractions of a byte, as in a rate, are rounded away.
 */
export function formatBytes(bytes: number): string {
  // Uses nothing from outside: the dashboard's script contains the text of this function.
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let power = 0
  let shown = String(Math.round(bytes))
  while (Number(shown) >= 1000 && power < units.length - 1) {
    power += 1
    shown = (bytes / 1000 ** power).toFixed(1)
  }
  return `${shown} ${units[power]}`
}
