/** Sets of items by key, and the largest of them. Every call takes the same time, however many there are. */
export class Groups<Item> {
  readonly #members = new Map<string, Set<Item>>()
  /** Keys by the size of their group. */
  readonly #bySize = new Map<number, Set<string>>()
  #largestSize = 0

  /** Items in the order in which they were added. */
  of(key: string): ReadonlySet<Item> {
    return this.#members.get(key) ?? new Set()
  }

  /** Of several that are as large as each other, the one that has been so for the longest time. Empty where there is none. */
  get largest(): ReadonlySet<Item> {
    const [key] = this.#bySize.get(this.#largestSize) ?? []
    return key === undefined ? new Set() : this.of(key)
  }

  /** Adds an item that the group does not have. */
  add(key: string, item: Item): void {
    const members = this.#members.get(key) ?? new Set()
    this.#members.set(key, members.add(item))
    this.#move(key, members.size - 1, members.size)
    this.#largestSize = Math.max(this.#largestSize, members.size)
  }

  /** Removes an item that the group has. */
  remove(key: string, item: Item): void {
    const members = this.#members.get(key)
    if (members?.delete(item) !== true) return
    if (members.size === 0) this.#members.delete(key)
    this.#move(key, members.size + 1, members.size)
    if (!this.#bySize.has(this.#largestSize)) this.#largestSize -= 1
  }

  #move(key: string, from: number, to: number): void {
    const left = this.#bySize.get(from)
    left?.delete(key)
    if (left?.size === 0) this.#bySize.delete(from)
    if (to > 0) this.#bySize.set(to, (this.#bySize.get(to) ?? new Set()).add(key))
  }
}
