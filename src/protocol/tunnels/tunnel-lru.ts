/** A place for one tunnel: a port of the block. `lastOwner` survives so that a nickname gets its port back. */
export interface TunnelSlot {
  readonly owner: string | undefined
  /** Who had it last: gets it back when it is free. */
  readonly lastOwner: string | undefined
  /** Order of use; the smallest is the least recently used. */
  readonly lastUsed: number
  /** Open streams: more than none is busy. */
  readonly streams: number
  /** Whether there is a connection to the owner. Without one, its port only listens, and is the first to change hands. */
  readonly connected: boolean
}

export interface TunnelSlots {
  readonly slots: readonly TunnelSlot[]
  readonly clock: number
}

/** What happens to the tunnels. An owner is whatever names a connection's other side uniquely. */
export type TunnelEvent =
  /** `except` are slots whose ports this owner just found to be another program's; each acquisition tries all of them again. */
  | { readonly type: 'acquire'; readonly owner: string; readonly except?: readonly number[] }
  /** The number of the owner's open streams changed, or it was used again. */
  | { readonly type: 'use'; readonly owner: string; readonly streams: number }
  /** The connection is over, and the owner keeps its slot until somebody needs it. */
  | { readonly type: 'rest'; readonly owner: string }
  | { readonly type: 'release'; readonly owner: string }

/** The answer to an `acquire`: a slot, and who has to leave it; or nothing, when every slot is excepted. */
export type TunnelDecision =
  | { readonly type: 'granted'; readonly owner: string; readonly slot: number; readonly evicted: string | undefined }
  | { readonly type: 'refused'; readonly owner: string }

const emptySlot: TunnelSlot = { owner: undefined, lastOwner: undefined, lastUsed: 0, streams: 0, connected: false }

export function createTunnelSlots(count: number): TunnelSlots {
  return { slots: Array.from({ length: count }, () => emptySlot), clock: 0 }
}

function replace(state: TunnelSlots, index: number, slot: TunnelSlot): TunnelSlots {
  return { slots: state.slots.with(index, slot), clock: state.clock + 1 }
}

/**
 * The owner's own slot; its last one when free; the lowest free one; the least recently used of those without a connection, of the
 * idle ones, of all.
 */
function choose({ slots }: TunnelSlots, owner: string, except: readonly number[]): number {
  const usable = slots.flatMap((_slot, index) => (except.includes(index) ? [] : [index]))
  const own = usable.find(index => slots[index]!.owner === owner)
  if (own !== undefined) return own
  const free = usable.filter(index => slots[index]!.owner === undefined)
  const last = free.find(index => slots[index]!.lastOwner === owner)
  if (last !== undefined) return last
  if (free.length > 0) return free[0]!
  const resting = usable.filter(index => !slots[index]!.connected)
  const idle = usable.filter(index => slots[index]!.streams === 0)
  const candidates = [resting, idle].find(some => some.length > 0) ?? usable
  return candidates.reduce(
    (least, index) => (least < 0 || slots[index]!.lastUsed < slots[least]!.lastUsed ? index : least),
    -1,
  )
}

/** One step of the least-recently-used allocation. Pure. */
export function stepSlots(state: TunnelSlots, event: TunnelEvent): readonly [TunnelSlots, TunnelDecision | undefined] {
  if (event.type === 'acquire') return acquireSlot(state, event.owner, event.except)
  const index = state.slots.findIndex(slot => slot.owner === event.owner)
  const slot = state.slots[index]
  if (slot === undefined) return [state, undefined]
  if (event.type === 'release') return [replace(state, index, left(slot)), undefined]
  if (event.type === 'rest') return [replace(state, index, { ...slot, streams: 0, connected: false }), undefined]
  return [replace(state, index, { ...slot, streams: event.streams, lastUsed: state.clock + 1 }), undefined]
}

/** The slot without its owner, who is remembered. */
function left(slot: TunnelSlot): TunnelSlot {
  return { ...slot, owner: undefined, lastOwner: slot.owner, streams: 0, connected: false }
}

/** Answers one `acquire`. */
export function acquireSlot(
  before: TunnelSlots,
  owner: string,
  except: readonly number[] = [],
): readonly [TunnelSlots, TunnelDecision] {
  // Whoever had a slot last keeps its place there while another program's port makes this owner go elsewhere.
  const slots = before.slots.map((slot, index) =>
    slot.owner === owner && except.includes(index) ? { ...slot, owner: undefined, streams: 0, connected: false } : slot,
  )
  const state = { ...before, slots }
  const index = choose(state, owner, except)
  const slot = slots[index]
  if (slot === undefined) return [state, { type: 'refused', owner }]
  const lastUsed = state.clock + 1
  const granted = { type: 'granted', owner, slot: index } as const
  if (slot.owner === owner)
    return [replace(state, index, { ...slot, lastUsed, connected: true }), { ...granted, evicted: undefined }]
  const { owner: evicted, lastOwner } = slot
  const taken = { owner, lastOwner: evicted ?? lastOwner, lastUsed, streams: 0, connected: true }
  return [replace(state, index, taken), { ...granted, evicted }]
}
