/** Counts what is open, by whom, and in all. */
export class ConcurrencyLimiter {
  readonly #open = new Map<string, number>()
  #total = 0

  /** In all. */
  get size(): number {
    return this.#total
  }

  /** Of this one. */
  of(key: string): number {
    return this.#open.get(key) ?? 0
  }

  /** One more is open. Call what it returns once, when that is over. */
  enter(key: string): () => void {
    this.#open.set(key, this.of(key) + 1)
    this.#total += 1
    return () => {
      const left = this.of(key) - 1
      if (left > 0) this.#open.set(key, left)
      else this.#open.delete(key)
      this.#total -= 1
    }
  }
}
