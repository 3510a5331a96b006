const refuse = (): never => {
  throw new Error('a state that was given away must stay as it was')
}

/** Freezes objects, arrays and Maps all the way down. Bytes cannot be frozen; their own checks prove those. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value
  if (value instanceof Map) {
    for (const item of value.values()) deepFreeze(item)
    Object.assign(value, { set: refuse, delete: refuse, clear: refuse })
  } else {
    for (const item of Object.values(value)) deepFreeze(item)
  }
  return Object.freeze(value)
}
