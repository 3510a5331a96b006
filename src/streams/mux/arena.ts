/** Large enough for most messages, small enough to stay in a processor's cache. */
const blockBytes = 256 * 1024

/** Blocks kept from one step to the next: a step writes what the channel has room for, and a message. */
const keptBlocks = 4

/**
 * Memory for the messages and deliveries of one step, used again in the next. New arrays at 60 MB/s are no work for the
 * allocator but for the garbage collector, which looks at the whole heap each time tens of megabytes have gone by.
 */
export class Arena {
  #blocks: Uint8Array[] = []
  #block = 0
  #offset = 0

  /** So many bytes, whatever they hold; nobody else's until `reset`. */
  readonly allocate = (bytes: number): Uint8Array => {
    if (bytes > blockBytes) return new Uint8Array(bytes)
    if (this.#offset + bytes > blockBytes) {
      this.#block++
      this.#offset = 0
    }
    const block = (this.#blocks[this.#block] ??= new Uint8Array(blockBytes))
    const start = this.#offset
    this.#offset += bytes
    return block.subarray(start, this.#offset)
  }

  /** These bytes are in use beyond the step: what they lie in is not used again. */
  keep({ buffer }: Uint8Array): void {
    const index = this.#blocks.findIndex(block => block.buffer === buffer)
    if (index >= 0) this.#blocks[index] = new Uint8Array(blockBytes)
  }

  /** The step is over. */
  reset(): void {
    this.#blocks = this.#blocks.slice(0, keptBlocks)
    this.#block = 0
    this.#offset = 0
  }
}
