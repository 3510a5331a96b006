import type { TrustStore } from '../../ports.js'

/** Keys remembered on first use for as long as the object lives. */
export function createMemoryTrust(): TrustStore {
  const known = new Map<string, string>()
  return {
    check(kind, name, key) {
      const id = `${kind}/${name}`
      const before = known.get(id)
      if (before === undefined) known.set(id, key)
      return before === key ? undefined : before
    },
  }
}
