/** Longest session ID in characters. */
const maxCharacters = 64

/** Character codes of base64url lie below this. */
const characterCodes = 128

/** Slots at first, and how full a table may be: 16 bytes a slot, so 21 to 43 bytes a session. */
const firstSlots = 1_024
const fullest = 0.75

/** Fills an array of 65,536 bytes with random ones, as `crypto.getRandomValues` does. */
export type RandomNumbers = (numbers: Uint32Array<ArrayBuffer>) => void

/**
 * What is settled of every session of a ledger, without keeping the sessions' names: each is a fingerprint of 64 bits made
 * with random numbers, so that nobody can prepare two sessions that look alike. Two of ten million
 * are taken for one with a probability of three in a million. Never forgets: a session may be continued at any time.
 */
export class SessionBytes {
  readonly #codes = new Uint32Array(maxCharacters * characterCodes * 2)
  #keys = new Uint32Array(firstSlots * 2)
  #bytes = new Float64Array(firstSlots)
  #size = 0
  #high = 0
  #low = 0

  constructor(random: RandomNumbers) {
    random(this.#codes)
  }

  /** How many sessions there are. */
  get size(): number {
    return this.#size
  }

  /** For sessions of at most 64 characters of base64url. */
  get(session: string): number | undefined {
    const slot = this.#find(session)
    return this.#isFree(slot) ? undefined : this.#bytes[slot]!
  }

  /** The same, and once: from then on it counts as 0, so that what is left over can be told from what was found. */
  take(session: string): number | undefined {
    const slot = this.#find(session)
    if (this.#isFree(slot)) return undefined
    const bytes = this.#bytes[slot]!
    this.#bytes[slot] = 0
    return bytes
  }

  set(session: string, bytes: number): void {
    let slot = this.#find(session)
    if (this.#isFree(slot)) {
      if (this.#size + 1 > this.#bytes.length * fullest) {
        this.#grow()
        slot = this.#find(session)
      }
      this.#size += 1
      this.#keys[slot * 2] = this.#high
      this.#keys[slot * 2 + 1] = this.#low
    }
    this.#bytes[slot] = bytes
  }

  #isFree(slot: number): boolean {
    return this.#keys[slot * 2] === 0 && this.#keys[slot * 2 + 1] === 0
  }

  /** The slot that has this session, or the free one where it belongs; its fingerprint is in `#high` and `#low` then. */
  #find(session: string): number {
    const codes = this.#codes
    let high = 0
    let low = 0
    for (let at = 0; at < session.length; at += 1) {
      const code = (at * characterCodes + session.charCodeAt(at)) * 2
      high ^= codes[code]!
      low ^= codes[code + 1]!
    }
    // Zero means that a slot is free.
    this.#high = high >>> 0
    this.#low = low >>> 0 || 1
    return this.#slotOf(this.#high, this.#low)
  }

  #slotOf(high: number, low: number): number {
    const mask = this.#bytes.length - 1
    let slot = low & mask
    while (!this.#isFree(slot) && (this.#keys[slot * 2] !== high || this.#keys[slot * 2 + 1] !== low)) {
      slot = (slot + 1) & mask
    }
    return slot
  }

  #grow(): void {
    const [keys, bytes] = [this.#keys, this.#bytes]
    this.#keys = new Uint32Array(keys.length * 2)
    this.#bytes = new Float64Array(bytes.length * 2)
    for (let old = 0; old < bytes.length; old += 1) {
      const high = keys[old * 2]!
      const low = keys[old * 2 + 1]!
      if (high === 0 && low === 0) continue
      const slot = this.#slotOf(high, low)
      this.#keys[slot * 2] = high
      this.#keys[slot * 2 + 1] = low
      this.#bytes[slot] = bytes[old]!
    }
  }
}
