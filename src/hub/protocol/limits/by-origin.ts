/** A bound for the addresses of the machine itself, and one for all others. */
export interface ByOrigin<Bound> {
  readonly others: Bound
  readonly loopback: Bound
}

/** Whether this is an address of the machine itself, in any spelling. */
export function isLoopback(address: string): boolean {
  return /^(::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/i.test(address) || address === '::1'
}
