import { formatBytes } from '../../protocol/byte-size.js'
import { CommandFailure } from '../failure.js'

/** What is downloaded without asking if no size is announced: a thousand coins' worth. */
const defaultMaxBytes = 1_000_000_000

/** What a bound needs to know, and whom to ask. */
export interface BoundOptions {
  /** Who sends, and what, for people. */
  readonly nickname: string
  readonly name: string
  /** `--max`. */
  readonly max: number | undefined
  /** Whether to go on. Undefined where nobody can be asked. */
  readonly ask: ((message: string) => Promise<boolean>) | undefined
  readonly notice: (text: string) => void
}

/**
 * How much of a file is fetched without asking. Every megabyte costs a coin, so a source that announces no length, or one
 * beyond `--max`, cannot just go on.
 */
export class Bound {
  /** What may be fetched unasked; undefined before it matters. */
  #allowed: number | undefined
  /** The same for the answer under way. */
  #limit = Infinity

  constructor(private readonly options: BoundOptions) {
    this.#allowed = options.max
  }

  /** For an answer that begins; `size` is the length of the whole file as it was announced. Rejects with `too-large`. */
  async begin(size: number | undefined): Promise<void> {
    const { nickname, name, max, notice } = this.options
    if (size === undefined) {
      if (this.#allowed === undefined) {
        this.#allowed = defaultMaxBytes
        const most = formatBytes(this.#allowed)
        notice(
          `${nickname} does not announce the size of ${name}. At most ${most} will be downloaded without asking (--max).`,
        )
      }
      this.#limit = this.#allowed
      return
    }
    if (max !== undefined && size > Math.max(max, this.#allowed ?? 0)) {
      await this.#ask(`${name} from ${nickname} is ${formatBytes(size)}, more than ${formatBytes(max)}.`)
      this.#allowed = size
    }
    this.#limit = size
  }

  /** How many more bytes may come, when there are so many, before somebody has to be asked. */
  room(bytes: number): number {
    return Math.max(0, this.#limit - bytes)
  }

  /** Asks whether it may be twice as much, and more than is there. Rejects with `too-large`. */
  async extend(bytes: number): Promise<void> {
    const { nickname, name } = this.options
    const limit = formatBytes(this.#limit)
    await this.#ask(`${nickname} has sent more than ${limit} of ${name} without announcing its size.`)
    this.#limit = Math.max(this.#limit, bytes, 1) * 2
    this.#allowed = this.#limit
  }

  async #ask(message: string): Promise<void> {
    if (await this.options.ask?.(`${message} Continue?`)) return
    throw new CommandFailure('too-large', `${message} To download more, pass a higher --max`)
  }
}
