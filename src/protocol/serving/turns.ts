/**
 * Fair turns: which of those who wait may use one of a limited number of places next. Plain data in, plain data out.
 *
 * A key has a turn while it uses fewer places than are free, and than `perKey`; keys that wait take turns. So one key alone
 * gets at most half of all places, and two get a third each (dynamic thresholds, as for shared memory in switches: Choudhury
 * and Hahne, 1998). When all are in use and a key has none, the key that uses most has to give one up.
 */

export interface TurnLimits {
  /** Places in all. */
  readonly total: number
  /** Places of one key, however many are free. */
  readonly perKey: number
}

export interface Turns<Item> {
  readonly limits: TurnLimits
  /** Places in use, by key. */
  readonly used: ReadonlyMap<string, number>
  readonly usedTotal: number
  /** What waits, by key: the key whose turn is next first, and in the order in which it came. */
  readonly waiting: ReadonlyMap<string, readonly Item[]>
}

/** The turns after something happened, and those who got a place by it, which use it from now on. */
export type TurnStep<Item> = readonly [Turns<Item>, readonly Item[]]

export function createTurns<Item>(limits: TurnLimits): Turns<Item> {
  return { limits, used: new Map(), usedTotal: 0, waiting: new Map() }
}

function grant<Item>(turns: Turns<Item>): TurnStep<Item> {
  const { limits } = turns
  const used = new Map(turns.used)
  const waiting = new Map(turns.waiting)
  let { usedTotal } = turns
  const granted: Item[] = []
  const mayUse = (key: string): boolean => (used.get(key) ?? 0) < Math.min(limits.perKey, limits.total - usedTotal)
  for (;;) {
    const key = [...waiting.keys()].find(mayUse)
    if (key === undefined) return [{ limits, used, usedTotal, waiting }, granted]
    const [first, ...rest] = waiting.get(key)!
    granted.push(first!)
    used.set(key, (used.get(key) ?? 0) + 1)
    usedTotal++
    // To the end: others first.
    waiting.delete(key)
    if (rest.length > 0) waiting.set(key, rest)
  }
}

/** One more wants a place. */
export function ask<Item>(turns: Turns<Item>, key: string, item: Item): TurnStep<Item> {
  const items = turns.waiting.get(key) ?? []
  return grant({ ...turns, waiting: new Map(turns.waiting).set(key, [...items, item]) })
}

/** Who waits wants no place any more. */
export function leave<Item>(turns: Turns<Item>, key: string, item: Item): Turns<Item> {
  const items = (turns.waiting.get(key) ?? []).filter(other => other !== item)
  const waiting = new Map(turns.waiting)
  if (items.length === 0) waiting.delete(key)
  else waiting.set(key, items)
  return { ...turns, waiting }
}

/** The key that has to give up a place for one that uses none. */
export function crowded<Item>({ limits, used, usedTotal, waiting }: Turns<Item>): string | undefined {
  if (usedTotal < limits.total || [...waiting.keys()].every(key => used.has(key))) return undefined
  const [most] = [...used].toSorted(([, one], [, other]) => other - one)
  return most !== undefined && most[1] > 1 ? most[0] : undefined
}

/** A place that this key used is free. */
export function release<Item>(turns: Turns<Item>, key: string): TurnStep<Item> {
  const left = (turns.used.get(key) ?? 0) - 1
  const used = new Map(turns.used)
  if (left <= 0) used.delete(key)
  else used.set(key, left)
  return grant({ ...turns, used, usedTotal: turns.usedTotal - 1 })
}
