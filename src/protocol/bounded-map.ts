/**
 * Sets an entry of a map that holds at most `maxEntries` and makes it the newest; where that is one too many, the oldest is
 * forgotten. Oldest is what was set longest ago: first in, first out. Where each use sets its entry again, that is the least
 * recently used. So an entry that more than `maxEntries` newer ones have pushed out is not found.
 * The map must be filled by this alone, with one and the same bound. Costs the same however large the map is.
 */
export function setBounded<Key, Value>(map: Map<Key, Value>, key: Key, value: Value, maxEntries: number): void {
  // Deleted first: a Map keeps the order of insertion, and setting what is there would leave it in its old place.
  map.delete(key)
  map.set(key, value)
  if (map.size > maxEntries) map.delete(map.keys().next().value!)
}
