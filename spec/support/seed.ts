/** A seed that is printed, so that a run can be repeated: `LIGHTHOUSE_SEED` gives it. */
export function printedSeed(what: string): number {
  const seed = Number(process.env['LIGHTHOUSE_SEED'] ?? Math.floor(Math.random() * 0x7fffffff))
  process.stdout.write(`${what}: seed ${seed}\n`)
  return seed
}
