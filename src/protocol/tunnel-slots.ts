/** A place for one tunnel: a port of the block. `lastOwner` survives so that a nickname gets its port back. */
export interface TunnelSlot {
  readonly owner: string | undefined
  /** Who had it last: gets it back when it is free. */
  readonly lastOwner: string | undefined
  /** Order of use; the smallest is the least recently used. */
  readonly lastUsed: number
  /** Open streams: more than none is busy. */
  readonly streams: number
  /** The port belongs to another program. */
  readonly unavailable: boolean
}

export interface TunnelSlots {
  readonly slots: readonly TunnelSlot[]
  readonly clock: number
}

/** What happens to the tunnels. An owner is whatever names a connection's other side uniquely. */
export type TunnelEvent =
  | { readonly type: 'acquire'; readonly owner: string }
  /** The number of the owner's open streams changed, or it was used again. */
  | { readonly type: 'use'; readonly owner: string; readonly streams: number }
  | { readonly type: 'release'; readonly owner: string }
  /** The port of this slot turned out to be another program's. */
  | { readonly type: 'unavailable'; readonly slot: number }

/** The answer to an `acquire`: a slot, and who has to leave it; or nothing, when every port is another program's. */
export type TunnelDecision =
  | { readonly type: 'granted'; readonly owner: string; readonly slot: number; readonly evicted: string | undefined }
  | { readonly type: 'refused'; readonly owner: string }

const emptySlot: TunnelSlot = { owner: undefined, lastOwner: undefined, lastUsed: 0, streams: 0, unavailable: false }

export function createTunnelSlots(count: number): TunnelSlots {
  return { slots: Array.from({ length: count }, () => emptySlot), clock: 0 }
}

function replace(state: TunnelSlots, index: number, slot: TunnelSlot): TunnelSlots {
  return { slots: state.slots.with(index, slot), clock: state.clock + 1 }
}

/** The owner's own slot; its last one when free; the lowest free one; the least recently used idle one; the least recently used. */
function choose({ slots }: TunnelSlots, owner: string): number {
  const own = slots.findIndex(slot => slot.owner === owner)
  if (own >= 0) return own
  const free = slots.flatMap((slot, index) => (slot.owner === undefined && !slot.unavailable ? [index] : []))
  const last = free.find(index => slots[index]!.lastOwner === owner)
  if (last !== undefined) return last
  if (free.length > 0) return free[0]!
  const usable = slots.flatMap((slot, index) => (slot.unavailable ? [] : [index]))
  const idle = usable.filter(index => slots[index]!.streams === 0)
  const candidates = idle.length > 0 ? idle : usable
  return candidates.reduce(
    (least, index) => (least < 0 || slots[index]!.lastUsed < slots[least]!.lastUsed ? index : least),
    -1,
  )
}

/** One step of the least-recently-used allocation. Pure. */
export function stepTunnels(
  state: TunnelSlots,
  event: TunnelEvent,
): readonly [TunnelSlots, TunnelDecision | undefined] {
  const { slots, clock } = state
  if (event.type === 'unavailable') {
    const slot = slots[event.slot]
    if (slot === undefined) return [state, undefined]
    return [replace(state, event.slot, { ...emptySlot, unavailable: true }), undefined]
  }
  if (event.type === 'acquire') {
    const index = choose(state, event.owner)
    if (index < 0) return [state, { type: 'refused', owner: event.owner }]
    const { owner, streams } = slots[index]!
    const isOwn = owner === event.owner
    const taken: TunnelSlot = {
      owner: event.owner,
      lastOwner: event.owner,
      lastUsed: clock + 1,
      streams: isOwn ? streams : 0,
      unavailable: false,
    }
    const evicted = isOwn ? undefined : owner
    return [replace(state, index, taken), { type: 'granted', owner: event.owner, slot: index, evicted }]
  }
  const index = slots.findIndex(slot => slot.owner === event.owner)
  if (index < 0) return [state, undefined]
  const slot = slots[index]!
  if (event.type === 'use') {
    return [replace(state, index, { ...slot, streams: event.streams, lastUsed: clock + 1 }), undefined]
  }
  return [replace(state, index, { ...slot, owner: undefined, streams: 0 }), undefined]
}
