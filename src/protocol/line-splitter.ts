/** Cuts text that arrives in any pieces into lines. Holds one unfinished line, of at most `maxLength` characters. */
export class LineSplitter {
  #rest = ''

  constructor(private readonly maxLength: number) {}

  /** The lines that `piece` completes, without their line breaks, or undefined when one is longer than allowed. */
  push(piece: string): readonly string[] | undefined {
    const lines = (this.#rest + piece).split('\n')
    this.#rest = lines.pop()!
    return this.#rest.length > this.maxLength || lines.some(line => line.length > this.maxLength) ? undefined : lines
  }

  /** What came after the last line break. */
  get rest(): string {
    return this.#rest
  }
}
