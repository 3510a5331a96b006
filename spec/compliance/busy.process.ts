/** Keeps one core busy until the process that started it lets go. */
process.on('disconnect', () => process.exit())
const burn = (): void => {
  const until = performance.now() + 50
  while (performance.now() < until);
  setImmediate(burn)
}
burn()
